"""Tests of the engine: the rules of docs/semantics.md one by one, and streams compared with the literal implementation."""
