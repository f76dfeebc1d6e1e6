"""Weekly windows by log time, in UTC: maintenance, and hours at which nothing is injected."""

from __future__ import annotations

from typing import Final

from processors.instant import NEVER
from schemas.living import MaintenanceWindow

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EPOCH_DAY: Final = 3
"""1970-01-01 was a Thursday."""


class Calendar:
    """Whether a time lies in one of the windows; `start` belongs to a window, `end` does not.

    A window whose end is not after its start ends on the next day.

    Raises:
        ValueError: a time that is not HH:MM (00:00 to 24:00).
    """

    __slots__ = ("_spans",)

    def __init__(self, windows: list[MaintenanceWindow]) -> None:
        self._spans: list[tuple[int, int]] = []
        for window in windows:
            start = _minutes(window.start) * 60_000
            end = _minutes(window.end) * 60_000
            begin = _DAYS.index(window.day) * DAY_MS + start
            self._spans.append((begin, end - start if end > start else end - start + DAY_MS))

    def holds(self, log_ms: int) -> bool:
        """Whether `log_ms` (epoch ms) lies in a window."""
        of_week = (log_ms + _EPOCH_DAY * DAY_MS) % WEEK_MS
        return any((of_week - begin) % WEEK_MS < length for begin, length in self._spans)

    def free_from(self, log_ms: int) -> int:
        """The first time at or after `log_ms` (epoch ms) that lies in no window; NEVER where they cover the whole week."""
        at = log_ms
        while at - log_ms < WEEK_MS:
            of_week = (at + _EPOCH_DAY * DAY_MS) % WEEK_MS
            rest = 0
            for begin, length in self._spans:
                inside = (of_week - begin) % WEEK_MS
                if inside < length:
                    rest = max(rest, length - inside)
            if not rest:
                return at
            at += rest
        return NEVER


def _minutes(text: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not (colon and len(hours) == 2 and len(minutes) == 2 and text.isascii() and hours.isdigit() and minutes.isdigit()):
        raise ValueError(f"expected a time HH:MM, got {text!r}")
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > 1440:
        raise ValueError(f"expected a time from 00:00 to 24:00, got {text!r}")
    return total
