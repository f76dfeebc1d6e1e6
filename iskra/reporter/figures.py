"""From figures to vitals. Pure; every formula is continuous in figures that are measured, so that a value that stands
still means that nothing is measured any more, and `stuck` is then the right word for it.

With the figures of the last `HORIZON_S` seconds:

    clarity = 0.45 + 0.35 · s − 0.05 · m ÷ (m + 100 ms)          s: share of outputs in time (`PROMISES_MS`), m: mean of our own latencies
    chaos   = 0.42 + 0.40 · v ÷ (v + 1)                          v: their standard deviation ÷ (m + 100 ms)
    trust   = a² · (0.75 + 0.10 · r ÷ (r + 4))                   a: share of points accepted, r: points accepted a second
    pain    = 0.30 + 0.60 · x ÷ (x + 2)                          x: seconds of lag + seconds until parts answer + 2 · errors a second
                                                             + silent processes

A healthy run has s = 1, m ≈ 30 ms, v ≈ 0.06, a = 1, r of some hundreds, x ≈ 0.01: it stands at 0.79, 0.44, 0.85 and 0.30.
Clarity stays under 0.80: above it, a little unevenness would be
Pino's business (`chaos > 0.5 and … clarity > 0.8`), as after each start, whose first outputs differ by some tens of ms.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Collection, Mapping, Sequence

import msgspec

from schemas.topics import STATUS, WINDOWS

HORIZON_S = 60.0
"""Figures are those of so many seconds: several windows of 10 s close in them, so there are verdicts even in a quiet system."""

PROMISES_MS: Mapping[str, float] = {STATUS: 20.0, WINDOWS: 2000.0}
"""By topic, how soon an output can be read after the point that caused it. Windows go behind verdicts and wait for up to 2 s
while those come without end (ADR 9): they are late beyond that."""
_UNFELT_MS = 100.0
"""Nobody who looks at a page feels a delay of so much, or that two delays differ by it."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the processes found; counters never fall (`iskra.reporter.scrape.Totals`).

    Attributes:
        at: s, of a clock that does not go back.
        points, refused: points read by the workers, and records or items that they refused.
        verdicts, within: verdicts of the workers, and those that kept their promise (cumulative histogram).
        lag: records that workers and sinks have not applied.
        errors: what went wrong inside: gaps, refused commits, dropped ticks, engine errors, retries of the sink.
        answer_s: mean seconds that the processes took to answer. silent: processes that did not.
    """

    at: float
    points: float = 0.0
    refused: float = 0.0
    verdicts: float = 0.0
    within: float = 0.0
    lag: float = 0.0
    errors: float = 0.0
    answer_s: float = 0.0
    silent: int = 0


class Latency(msgspec.Struct, frozen=True):
    """One of our own points came back. at: s, of the looks' clock. ms: after how long. topic: as a verdict or as a window."""

    at: float
    ms: float
    topic: str

    @property
    def in_time(self) -> bool:
        """Whether the promise about its topic was kept."""
        return self.ms <= PROMISES_MS[self.topic]


class History:
    """The looks and measured latencies of the last `HORIZON_S` seconds."""

    def __init__(self) -> None:
        self._looks: deque[Snapshot] = deque()
        self._latencies: deque[Latency] = deque()
        self._measured = False

    def measured(self, latency: Latency) -> None:
        """One more of our own points came back."""
        self._latencies.append(latency)
        self._measured = True

    def vitals(self, now: Snapshot) -> dict[str, float]:
        """The vitals after one more look; those that nothing can be said of yet are left out."""
        self._looks.append(now)
        while len(self._looks) > 2 and self._looks[1].at <= now.at - HORIZON_S:
            self._looks.popleft()
        while self._latencies and self._latencies[0].at < now.at - HORIZON_S:
            self._latencies.popleft()
        if len(self._looks) < 2:
            return {}
        return vitals(self._looks, self._latencies, silent_path=self._measured and not self._latencies)


def vitals(looks: Sequence[Snapshot], latencies: Collection[Latency], *, silent_path: bool) -> dict[str, float]:
    """The formulas.

    Args:
        looks: two or more, ascending in time.
        latencies: from our own points to what they caused, as a reader sees it.
        silent_path: points were sent and nothing came back for the whole horizon, though it did before: nothing is in time.
    Returns:
        Values in 0 … 1 by vital; clarity and chaos are absent while no latency is known.
    """
    grown = {name: getattr(looks[-1], name) - getattr(looks[0], name) for name in ("points", "refused", "verdicts", "within", "errors")}
    seconds = max(looks[-1].at - looks[0].at, 1e-3)
    found: dict[str, float] = {}
    own = [latency.ms for latency in latencies]
    mean = statistics.fmean(own) if own else math.inf
    if own or silent_path:
        in_time = sum(latency.in_time for latency in latencies) + grown["within"]
        share = in_time / (len(own) + grown["verdicts"]) if own else 0.0
        found["clarity"] = 0.45 + 0.35 * share - 0.05 * (1 - _UNFELT_MS / (mean + _UNFELT_MS))
    if len(own) >= 2:
        variation = statistics.pstdev(own) / (mean + _UNFELT_MS)
        found["chaos"] = 0.42 + 0.40 * variation / (variation + 1)
    if grown["points"]:
        accepted = max(0.0, 1 - grown["refused"] / grown["points"])
        rate = accepted * grown["points"] / seconds
        found["trust"] = accepted**2 * (0.75 + 0.10 * rate / (rate + 4))
    rate_in = max(grown["points"] / seconds, 1.0)
    trouble = looks[-1].lag / rate_in + looks[-1].answer_s + 2 * grown["errors"] / seconds + looks[-1].silent
    found["pain"] = 0.30 + 0.60 * trouble / (trouble + 2)
    return {name: min(max(value, 0.0), 1.0) for name, value in found.items()}
