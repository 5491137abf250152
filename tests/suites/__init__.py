"""Tests of suites of tests for policies."""
