"""Tests of `iskra evaluate`, as a user runs it."""
