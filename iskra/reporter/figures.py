"""From figures to vitals. Pure; every formula is continuous in figures that are measured, so that a value that stands
still means that nothing is measured any more, and `stuck` is then the right word for it.

With the figures of the last `HORIZON_S` seconds:

    clarity = 0.50 + 0.35 · s − 0.10 · m ÷ (m + 10 ms)           s: share of verdicts within 20 ms, m: their mean latency
    chaos   = 0.30 + 0.60 · v ÷ (v + 1.5)                        v: the latency's standard deviation ÷ its mean
    trust   = a² · (0.75 + 0.10 · r ÷ (r + 4))                   a: share of points accepted, r: points accepted a second
    pain    = 0.30 + 0.60 · x ÷ (x + 2)                          x: seconds of lag + seconds until parts answer + 2 · errors a second

A healthy run has s = 1, m ≈ 10 ms, v ≈ 0.5, a = 1, r of some hundreds, x ≈ 0.01: it stands at 0.80, 0.45, 0.85 and 0.30.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping, Sequence

import msgspec

HORIZON_S = 60.0
"""Figures are those of so many seconds: several windows of 10 s close in them, so there are verdicts even in a quiet system."""

WITHIN_MS = 20.0
"""The promise about verdicts (docs/performance.md)."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at the processes found; counters grow, except when a process starts again.

    Attributes:
        at: s, of a clock that does not go back.
        points, refused: points read by the workers, and records or items that they refused.
        verdicts, within: verdicts of the workers, and those within 20 ms (cumulative histogram).
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


class History:
    """The looks and measured latencies of the last `HORIZON_S` seconds."""

    def __init__(self) -> None:
        self._looks: deque[Snapshot] = deque()
        self._latencies: deque[tuple[float, float]] = deque()
        self._measured = False

    def measured(self, at: float, latency_ms: float) -> None:
        """One of our own points came back as a verdict or a window after so many ms."""
        self._latencies.append((at, latency_ms))
        self._measured = True

    def vitals(self, now: Snapshot) -> dict[str, float]:
        """The vitals after one more look; those that nothing can be said of yet are left out."""
        self._looks.append(now)
        while len(self._looks) > 2 and self._looks[1].at <= now.at - HORIZON_S:
            self._looks.popleft()
        while self._latencies and self._latencies[0][0] < now.at - HORIZON_S:
            self._latencies.popleft()
        if len(self._looks) < 2:
            return {}
        return vitals(self._looks, [latency for _, latency in self._latencies], silent_path=self._measured and not self._latencies)


def vitals(looks: Sequence[Snapshot], latencies_ms: Sequence[float], *, silent_path: bool) -> dict[str, float]:
    """The formulas.

    Args:
        looks: two or more, ascending in time.
        latencies_ms: from our own points to what they caused, as a reader sees it.
        silent_path: points were sent and nothing came back for the whole horizon, though it did before: no verdict is in time.
    Returns:
        Values in 0 … 1 by vital; clarity and chaos are absent while no latency is known.
    """
    grown = growth(looks)
    seconds = max(looks[-1].at - looks[0].at, 1e-3)
    found: dict[str, float] = {}
    if latencies_ms or silent_path:
        own_within = sum(latency <= WITHIN_MS for latency in latencies_ms)
        all_verdicts = len(latencies_ms) + grown["verdicts"]
        share = (own_within + grown["within"]) / all_verdicts if latencies_ms else 0.0
        slow = 1 - 10 / (statistics.fmean(latencies_ms) + 10) if latencies_ms else 1.0
        found["clarity"] = 0.50 + 0.35 * share - 0.10 * slow
    if len(latencies_ms) >= 2 and (mean := statistics.fmean(latencies_ms)) > 0:
        variation = statistics.pstdev(latencies_ms) / mean
        found["chaos"] = 0.30 + 0.60 * variation / (variation + 1.5)
    if grown["points"]:
        accepted = max(0.0, 1 - grown["refused"] / grown["points"])
        rate = accepted * grown["points"] / seconds
        found["trust"] = accepted**2 * (0.75 + 0.10 * rate / (rate + 4))
    rate_in = max(grown["points"] / seconds, 1.0)
    trouble = looks[-1].lag / rate_in + looks[-1].answer_s + 2 * grown["errors"] / seconds + looks[-1].silent
    found["pain"] = 0.30 + 0.60 * trouble / (trouble + 2)
    return {name: min(max(value, 0.0), 1.0) for name, value in found.items()}


def growth(looks: Sequence[Snapshot]) -> Mapping[str, float]:
    """How much each counter grew over the looks; one that fell belongs to a process that began anew, and counts from 0."""
    totals = dict.fromkeys(("points", "refused", "verdicts", "within", "errors"), 0.0)
    for i in range(1, len(looks)):
        for name in totals:
            before, after = getattr(looks[i - 1], name), getattr(looks[i], name)
            totals[name] += after - before if after >= before else after
    return totals
