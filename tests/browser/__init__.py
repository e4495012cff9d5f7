"""Tests of the report in Chromium."""
