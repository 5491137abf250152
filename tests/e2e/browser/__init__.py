"""Headless Chromium against an application whose answers carry exactly the headers that the service decides."""
