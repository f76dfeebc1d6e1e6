"""Waiting for something with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE_S = 120.0
"""A process starts within seconds; two minutes are for a machine that is busy."""

Found = TypeVar("Found")


def eventually(ask: Callable[[], Found], what: str) -> Found:
    """The first true answer of `ask`."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found = ask()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s: {what}"
        time.sleep(0.05)
