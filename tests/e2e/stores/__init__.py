"""Tests of stores that a fleet shares, on real servers."""
