"""Headless Chromium against an application that sends exactly the headers that the service decides."""
