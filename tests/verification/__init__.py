"""Tests of `iskra verify` and `iskra explain` against the real broker and store."""
