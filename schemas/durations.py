"""Lengths of time in configurations."""

from __future__ import annotations

import re
from typing import Any

_DURATION = re.compile(r"(\d+)(ms|s|m|h|d)\Z")
_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Duration(int):
    """A length of time in ms, written as `500ms`, `30s`, `10m`, `1h`, `7d`."""


def parse_duration(text: str) -> Duration:
    """A duration in ms from its text.

    Raises:
        ValueError: what was expected.
    """
    match = _DURATION.match(text)
    if match is None:
        raise ValueError(f"expected a duration such as 30s, 10m or 1h, got {text!r}")
    return Duration(int(match[1]) * _UNIT_MS[match[2]])


def decode_hook(expected: type, value: Any) -> Any:
    """msgspec's hook for `Duration`."""
    if expected is Duration:
        if isinstance(value, str):
            return parse_duration(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return Duration(value)
        raise ValueError(f"expected a duration such as 30s, got {value!r}")
    raise NotImplementedError(expected)
