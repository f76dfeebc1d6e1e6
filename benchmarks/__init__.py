"""Benchmarks: each builds a stack of its own in a temporary directory, is bounded in time, and gives its figures as a mapping."""
