"""The error budget, literally: every bad second of the past is known, and each figure is counted anew from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

MINUTE, HOUR, DAY = 60, 3600, 86_400


def bucket_of(seconds: int) -> int:
    """Length of the buckets in which a window of so many seconds is counted."""
    return MINUTE if seconds <= HOUR else HOUR if seconds <= 3 * DAY else DAY


@dataclass
class ReferenceBudget:
    """One metric. `bad` are the spans [from, to) of subject time, in s, that were bad."""

    objective: str = "0.99"
    window: int = 30 * DAY
    burn: list[tuple[str, str, int, int]] = field(
        default_factory=lambda: [
            ("page", "14.4", HOUR, 5 * MINUTE),
            ("ticket", "6", 6 * HOUR, 30 * MINUTE),
            ("ticket", "3", DAY, 2 * HOUR),
            ("ticket", "1", 3 * DAY, 6 * HOUR),
        ]
    )
    bad: list[tuple[int, int]] = field(default_factory=list)

    def spend(self, start: int, end: int) -> None:
        """The seconds from `start` to `end` were bad."""
        self.bad.append((start, end))

    def bad_within(self, seconds: int, now: int) -> int:
        """Bad seconds of the window of so many seconds at the whole second `now`: the bucket that ends now, and those before it."""
        bucket = bucket_of(seconds)
        begin = ((now - 1) // bucket - seconds // bucket + 1) * bucket
        return sum(max(0, min(end, now) - max(start, begin)) for start, end in self.bad)

    def rate(self, seconds: int, now: int) -> Fraction:
        """Bad share ÷ what is allowed."""
        return Fraction(self.bad_within(seconds, now), seconds) / (1 - Fraction(self.objective))

    def state(self, now: int) -> dict[str, Any]:
        """What a `BudgetState` at the whole second `now` tells."""
        held = [pair for pair in self.burn if all(self.rate(window, now) >= Fraction(pair[1]) for window in pair[2:])]
        first = next((pair for pair in held if pair[0] == "page"), held[0] if held else None)
        total = self.bad_within(self.window, now)
        windows = list(dict.fromkeys(window for pair in self.burn for window in pair[2:]))
        return {
            "alert": first[0] if first else None,
            "threshold": float(first[1]) if first else None,
            "bad_ms": total * 1000,
            "remaining": float(1 - Fraction(total, self.window) / (1 - Fraction(self.objective))),
            "burn": [float(self.rate(window, now)) for window in windows],
            "bad": [self.bad_within(window, now) * 1000 for window in windows],
        }
