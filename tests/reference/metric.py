"""§4–§5 for one metric of one subject: its points, its windows, its ladder, UNKNOWN. Nothing is kept but lists."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from schemas.config import Config, Judging, judging_of
from tests.reference.numbers import mean, printed, quantile, scaled, stddev

HEIGHT = {"P2": 1, "P1": 2, "P0": 3}


@dataclass
class Kept:
    """An accepted point. `arrived` is the subject time at which it was applied, ms."""

    offset: int
    ts: int
    value: int
    late: bool
    arrived: int


@dataclass
class Rung:
    """A bound of a metric with its state. `order` tells which of the entered rungs was entered last."""

    side: str
    priority: str
    bound: int
    entered: bool = False
    since: int | None = None
    order: int = 0

    def beyond(self, values: list[int]) -> bool:
        """Whether the mean is past the bound; exactly on it is inside."""
        total, limit = sum(values), self.bound * len(values)
        return total > limit if self.side == "high" else total < limit

    def inside(self, values: list[int], hysteresis: int) -> bool:
        """Whether the mean is inside the bound by at least `hysteresis`."""
        total = sum(values)
        if self.side == "high":
            return total <= (self.bound - hysteresis) * len(values)
        return total >= (self.bound + hysteresis) * len(values)

    def told(self, entered: bool, since: int | None) -> dict[str, Any]:
        """The rung as evidence shows it, with the state that it had."""
        return {"side": self.side, "priority": self.priority, "bound": printed(self.bound), "entered": entered, "since": since}


@dataclass
class Cause:
    """Which judging: its instant (subject time, ms), whether at a point or at a whole second, and the record behind it."""

    time: int
    at_point: bool
    partition: int
    offset: int

    def window(self, length: int) -> tuple[int, int]:
        """[start, end) of the judged window of so many ms."""
        end = self.time // 1000 * 1000 + 1000 if self.at_point else self.time
        return end - length, end


@dataclass
class Metric:
    """Everything about one metric of one subject, from its first accepted point on."""

    name: str
    points: list[Kept] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    rungs: list[Rung] = field(default_factory=list)
    judging: Judging | None = None
    status: dict[str, Any] | None = None
    final: set[tuple[int, int]] = field(default_factory=set)
    entries: int = 0
    begun: dict[int, int] = field(default_factory=dict)

    def configure(self, config: Config, time: int | None = None) -> None:
        """Takes the rungs of a configuration; those that there were keep their state. `time`: subject time at a marker, ms."""
        # the last instant, before subject time − lateness, that the sizes of the old or of the new configuration divide
        bases = [math.gcd(*sizes) for sizes in (list(self.begun), config.windows) if sizes]
        settled = 0 if time is None else time // 1000 * 1000 - config.time.allowed_lateness
        begin = max(settled // base * base for base in bases)
        # a size that is new looks at no older points
        self.begun = {size: self.begun.get(size, begin) for size in config.windows}
        old = {(rung.side, rung.priority): rung for rung in self.rungs}
        self.rungs, self.judging = [], None
        if self.name in config.metrics:
            self.judging = judging_of(config.metrics[self.name], config.defaults)
            for side in ("high", "low"):
                for priority in ("P2", "P1", "P0"):
                    bound = getattr(getattr(config.metrics[self.name], side), priority)
                    if bound is not None:
                        rung = old.get((side, priority)) or Rung(side, priority, 0)
                        rung.bound = scaled(bound)
                        self.rungs.append(rung)

    def on_time(self, start: int, end: int) -> list[Kept]:
        """The points in [start, end), in the order of the log."""
        return [point for point in self.points if not point.late and start <= point.ts < end]

    def late(self, start: int, end: int) -> int:
        """The late points that arrived while subject time stood in [start, end)."""
        return sum(1 for point in self.points if point.late and start <= point.arrived < end)

    def windows_due(self, size: int, time: int, lateness: int) -> list[dict[str, Any]]:
        """The tumbling windows of a size that are final at this subject time, were not emitted yet and are not empty."""
        found = []
        begun = self.begun[size]
        for start in sorted({point.ts // size * size for point in self.points if not point.late and point.ts >= begun}):
            end = start + size
            if end + lateness <= time and (size, start) not in self.final:
                self.final.add((size, start))
                found.append(self._window(start, end, begun))
        return found

    def _window(self, start: int, end: int, begun: int) -> dict[str, Any]:
        points = self.on_time(max(start, begun), end)
        values = [point.value for point in points]
        newest = max(point.ts for point in points)
        with_quantiles = end - start >= 10_000
        return {
            "metric": self.name,
            "start": start,
            "size_ms": end - start,
            "count": len(values),
            "mean": mean(values),
            "min": printed(min(values)),
            "max": printed(max(values)),
            "last": printed([point.value for point in points if point.ts == newest][-1]),
            "stddev": stddev(values),
            "p50": quantile(values, Fraction(50, 100)) if with_quantiles else None,
            "p95": quantile(values, Fraction(95, 100)) if with_quantiles else None,
            "late": self.late(start, end),
        }

    def judge(self, cause: Cause, missing_after: int | None) -> dict[str, Any] | None:
        """One judging: the status if it differs from the last, else null. `missing_after`: the subject's own, if any."""
        judging = self.judging
        assert judging is not None
        window = self.on_time(*cause.window(judging.window))
        fast = [point.value for point in self.on_time(*cause.window(judging.fast_window))]
        before = [(rung, rung.entered, rung.since) for rung in self.rungs]
        reason = self._unknown(cause, judging, len(window), judging.missing_after if missing_after is None else missing_after)
        if reason == "not judged":
            return None
        values = [point.value for point in window]
        looked_at = len(fast) >= judging.fast_min_points
        highest: Rung | None = None
        if reason is not None:
            for rung in self.rungs:
                rung.since = None
        else:
            highest = self._ladder(cause.time, judging, values, fast if looked_at else None)
        level = "UNKNOWN" if reason else "OK" if highest is None else "WARN" if highest.priority == "P2" else "BLOCK"
        priority, side = (highest.priority, highest.side) if highest else (None, None)
        last = self.status
        if last is not None and (last["level"], last["priority"], last["side"], last["reason"]) == (level, priority, side, reason):
            return None
        self.status = {
            "metric": self.name,
            "level": level,
            "priority": priority,
            "reason": reason,
            "previous": None if last is None else {key: last[key] for key in ("level", "priority", "since")},
            "value": mean(values) if values else None,
            "fast_value": mean(fast) if looked_at else None,
            "statistic": judging.statistic,
            "window_ms": int(judging.window),
            "bound": None if highest is None else printed(highest.bound),
            "side": side,
            "since": cause.time,
            "evidence": {
                "count": len(window),
                "late": self.late(*cause.window(judging.window)),
                "partition": cause.partition,
                "first_offset": min((point.offset for point in window), default=None),
                "last_offset": cause.offset,
                "rungs": [rung.told(entered, since) for rung, entered, since in before],
            },
        }
        return self.status

    def _unknown(self, cause: Cause, judging: Judging, on_time: int, missing_after: int) -> str | None:
        """The reason why the data cannot tell, the first that fits; `not judged` where the last status stands."""
        start, end = cause.window(judging.window)
        late = self.late(start, end)
        refused = sum(1 for arrived in self.refused if start <= arrived < end)
        if 10 * refused > on_time + late + refused:
            return "impossible"
        if cause.time - max(point.ts for point in self.points) >= missing_after:
            return "missing"
        if late > on_time:
            return "late"
        if self._stuck(cause.time, judging.stuck_after):
            return "stuck"
        if on_time < judging.min_points:
            if cause.at_point or (self.status is not None and self.status["reason"] == "sparse"):
                return "sparse"
            return "not judged"
        return None

    def _stuck(self, time: int, stuck_after: int) -> bool:
        """The last on-time points in log order are equal, the first of them old enough, and there are enough of them."""
        equal: list[Kept] = []
        for point in reversed([point for point in self.points if not point.late]):
            if equal and point.value != equal[-1].value:
                break
            equal.append(point)
        if not equal:
            return False
        stands = time - equal[-1].ts
        return stands >= stuck_after and Fraction(len(equal)) >= Fraction(9, 10) * Fraction(stands, 1000)

    def _ladder(self, time: int, judging: Judging, values: list[int], fast: list[int] | None) -> Rung | None:
        """Moves each rung by its own state; the highest rung entered, of equals the one entered last."""
        hysteresis = scaled(judging.hysteresis)
        entered_now = []
        for rung in self.rungs:
            looked_at = [values] if fast is None or rung.priority != "P0" else [values, fast]
            beyond = any(rung.beyond(each) for each in looked_at)
            inside = all(rung.inside(each, hysteresis) for each in looked_at)
            if not rung.entered:
                if not beyond:
                    rung.since = None
                    continue
                rung.since = time if rung.since is None else rung.since
                if time - rung.since >= getattr(judging.for_, rung.priority):
                    rung.entered, rung.since = True, None
                    entered_now.append(rung)
            else:
                if not inside:
                    rung.since = None
                    continue
                rung.since = time if rung.since is None else rung.since
                if time - rung.since >= judging.clear_for:
                    rung.entered, rung.since = False, None
        # of both sides' P0 entered at one judging low counts: it is taken for the later of the two
        for rung in sorted(entered_now, key=lambda rung: rung.side == "low"):
            self.entries += 1
            rung.order = self.entries
        return max((rung for rung in self.rungs if rung.entered), key=lambda rung: (HEIGHT[rung.priority], rung.order), default=None)
