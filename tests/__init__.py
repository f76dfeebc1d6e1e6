"""Tests. A package, so that `tests/processors` is not taken for `processors`."""
