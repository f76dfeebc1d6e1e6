"""One metric of one subject: its points by second, its sliding sums, its rungs and its status.

The path of a point is short because most points cannot change anything: while a series is `calm`, a point of the
current second whose value lies within [`x_low`, `x_high`] is only appended. Both judged means then stay between the
same bounds (a mean of values within a band is within it), so the full procedure of semantics §5 would say nothing.
"""

from __future__ import annotations

from typing import Final

from librt.vecs import append
from mypy_extensions import mypyc_attr

from processors.compiled import MetricSpec, SubjectTiming
from processors.judged import JudgedSecond, JudgedSeconds
from processors.ladder import Ladder
from processors.numbers import float_at_least, float_at_most
from processors.open_points import NEVER, OpenPoints
from processors.quantiles import EXACT
from processors.vectors import sum_of
from processors.windows import Part
from schemas.outputs import Level, Priority, Side, UnknownReason

_NO_MARKS: Final[dict[int, int]] = {}
"""Shared by all series without late or refused points; nothing is ever added to it."""


@mypyc_attr(acyclic=True)
class Status:
    """The last status of a series."""

    __slots__ = ("level", "priority", "reason", "side", "since")

    def __init__(self, level: Level, priority: Priority | None, side: Side | None, reason: UnknownReason | None, since: int) -> None:
        self.level: Level = level
        self.priority: Priority | None = priority
        self.side: Side | None = side
        self.reason: UnknownReason | None = reason
        self.since = since


@mypyc_attr(acyclic=True)
class Series(OpenPoints):
    """State of one (subject, metric), beside its points."""

    __slots__ = (
        "awake",
        "calm",
        "count",
        "current_count",
        "current_offset",
        "current_total",
        "cut_high",
        "cut_low",
        "fast_count",
        "fast_total",
        "judged",
        "judged_count",
        "judged_total",
        "ladder",
        "late",
        "missing_ms",
        "name",
        "parts",
        "refused",
        "run_count",
        "run_ts",
        "run_value",
        "signal",
        "spec",
        "status",
        "total",
        "x_high",
        "x_low",
    )

    def __init__(self, spec: MetricSpec, timing: SubjectTiming, sizes: int) -> None:
        super().__init__()
        self.name = spec.name
        self.spec = spec
        self.missing_ms = spec.missing_ms if timing.missing_ms is None else timing.missing_ms
        self.ladder: Ladder | None = Ladder(spec.rungs, spec.least, spec.greatest) if spec.rungs else None
        self.status: Status | None = None
        self.signal = -1  # place in the catalogue of a signal that its points publish
        self.awake = False
        self.current_offset = 0
        self.current_count = 0
        self.current_total = 0
        self.parts: list[Part | None] = [None] * sizes  # what the open window of each size has gathered; None: nothing
        # the judged window, ending with the current second, which `judged` does not have yet
        self.count = 0
        self.total = 0
        self.fast_count = 0
        self.fast_total = 0
        self.judged = JudgedSeconds()
        # the mean as of the last judging, and between which means (× 10⁹) no rule changes
        self.judged_count = 0
        self.judged_total = 0
        self.cut_low = spec.least
        self.cut_high = spec.greatest
        # quality of the data
        self.run_value = 0
        self.run_count = 0
        self.run_ts = NEVER
        self.late = _NO_MARKS
        self.refused = _NO_MARKS
        # the short path
        self.calm = False
        self.x_low = self.x_high = 0.0
        self.set_short_path()

    def sync(self, second: int) -> None:
        """Brings the sums up to the points of the current second (`second`)."""
        points = self.points
        number = len(points)
        fresh = number - self.summed
        if fresh:
            if self.ladder is not None:
                self._add_to_sums(fresh, int(points[number - 1]) if fresh == 1 else sum_of(points, self.summed, number))
                # each of these points was judged, if only to see that nothing changes
                self.judged_count, self.judged_total = self.count, self.total
            self.summed = number
        if number - self.begun > EXACT:
            self.fold(second)
            self.calm = False

    def _add_to_sums(self, count: int, total: int) -> None:
        """Adds points of the current second to the judged window."""
        self.current_count += count
        self.current_total += total
        self.count += count
        self.total += total
        self.fast_count += count
        self.fast_total += total

    def begin_judging(self) -> None:
        """Takes the points of the current second, also those folded, into the judged window: its ladder is new."""
        count, total = self.of_current()
        if count:
            self._add_to_sums(count, total)
            self.judged_count, self.judged_total = count, total

    def take_window(self, seconds: list[JudgedSecond], current_count: int, current_total: int, second: int) -> None:
        """Begins with a judged window that was another's: its seconds before the current one (`second`), and that one's sums."""
        self.current_count, self.current_total = current_count, current_total
        self.count = self.fast_count = current_count
        self.total = self.fast_total = current_total
        for at, count, total, offset in seconds:
            self.judged.push(at, count, total, offset)
            self.count += count
            self.total += total
            if at > second - self.spec.fast_window:
                self.fast_count += count
                self.fast_total += total
        self.judged.leave_fast(second - self.spec.fast_window)

    def window_before(self, second: int, length: int) -> list[JudgedSecond]:
        """The seconds with points among the last `length` of the judged window, before the current one (`second`)."""
        return [kept for kept in self.judged.listed() if second - length < kept[0] < second]

    def file_current(self, second: int) -> None:
        """Puts the points of the current second, `second`, to the past ones. Sums must be up to date."""
        if self.put_to_past(second) and self.ladder is not None:
            self.judged.push(second, self.current_count, self.current_total, self.current_offset)
            self.current_count = self.current_total = 0

    def roll(self, second: int) -> None:
        """Ends second − 1 and begins `second`: the judged window slides. Sums must be up to date; whether it is calm is to be told anew."""
        self.file_current(second - 1)
        if self.count and self.ladder is not None:
            count, total = self.judged.leave_fast(second - self.spec.fast_window)
            self.fast_count -= count
            self.fast_total -= total
            count, total = self.judged.leave(second - self.spec.window)
            self.count -= count
            self.total -= total

    def add_in_order(self, value: int, ts: int, second: int, offset: int) -> None:
        """Adds a point of the current second, not older than any of the subject's. Sums must be up to date."""
        if self.is_new_second():
            self.current_offset = offset
        self.points = append(self.points, value)
        self.max_ts = ts
        self.sync(second)

    def add_out_of_order(self, value: int, ts: int, second: int, offset: int) -> None:
        """Adds an on-time point of an earlier instant; `second` is the subject's current one. Sums must be up to date."""
        at = ts // 1000
        if at == second:
            if self.is_new_second():
                self.current_offset = offset
            self.insert_current(value, ts)
            if self.ladder is not None:
                self._add_to_sums(1, value)
            return
        self.insert_past(at, value, ts)
        spec = self.spec
        if self.ladder is not None and at > second - spec.window:
            is_fast = at > second - spec.fast_window
            self.judged.add(at, value, offset, is_fast)
            self.count += 1
            self.total += value
            if is_fast:
                self.fast_count += 1
                self.fast_total += value

    def extend_run(self, value: int, ts: int) -> None:
        """Counts an on-time point, in log order, into the run of equal values."""
        if value == self.run_value and self.run_count:
            self.run_count += 1
        else:
            self.run_value = value
            self.run_count = 1
            self.run_ts = ts

    def is_steady(self, now: int) -> bool:
        """Whether a judging at `now` (ms) with the present sums cannot change anything."""
        ladder = self.ladder
        status = self.status
        return (
            ladder is not None
            and status is not None
            and status.reason is None
            and not ladder.restless
            and self.count >= self.spec.min_points
            and ladder.band_low * self.count <= self.total <= ladder.band_high * self.count
            and self.cut_low * self.count <= self.total <= self.cut_high * self.count
            and ladder.fast_low * self.fast_count <= self.fast_total <= ladder.fast_high * self.fast_count
            and not self.late
            and not self.refused
            and now - self.max_ts < self.missing_ms
            and now - self.run_ts < self.spec.stuck_ms
        )

    def set_short_path(self) -> None:
        """Notes between which values a point may be only appended; to be called when the rungs' bands have moved."""
        self.x_low, self.x_high = self.spec.min_value, self.spec.max_value
        if self.ladder is not None:
            self.x_low = max(self.x_low, self.ladder.x_low)
            self.x_high = min(self.x_high, self.ladder.x_high)
            if self.cut_low > self.spec.least:
                self.x_low = max(self.x_low, float_at_least(self.cut_low))
            if self.cut_high < self.spec.greatest:
                self.x_high = min(self.x_high, float_at_most(self.cut_high))

    def keep_between(self, low: int, high: int) -> None:
        """Notes between which means (× 10⁹) no rule changes.

        The mean may have left them unseen already: the rules know that of the last judging, and the window has slid since.
        """
        if low != self.cut_low or high != self.cut_high:
            self.cut_low, self.cut_high = low, high
            self.calm = self.calm and low * self.count <= self.total <= high * self.count
            self.set_short_path()

    def unknown_reason(self, now: int, first: int, last: int) -> UnknownReason | None:
        """Why the data cannot tell, of the first four reasons; `first` … `last` are the seconds of the judged window."""
        refused = late = 0
        if self.refused:
            refused = sum(number for second, number in self.refused.items() if first <= second <= last)
        if self.late:
            late = self.late_within(first, last)
        if refused and 10 * refused > self.count + late + refused:
            return "impossible"
        if now - self.max_ts >= self.missing_ms:
            return "missing"
        if late > self.count:
            return "late"
        age = now - self.run_ts
        # count ≥ 0.9 a second, in integers of ms
        if self.run_count and age >= self.spec.stuck_ms and 10_000 * self.run_count >= 9 * age:
            return "stuck"
        return None

    def mark_late(self, second: int) -> None:
        """Notes a late point that has come in this second of subject time."""
        self.late = _marked(self.late, second)

    def mark_refused(self, second: int) -> None:
        """Notes a point that was refused in this second of subject time."""
        self.refused = _marked(self.refused, second)

    def late_within(self, first: int, last: int) -> int:
        """Late points that arrived in the seconds first … last of subject time."""
        return sum(number for second, number in self.late.items() if first <= second <= last)

    def forget_marks(self, before: int) -> None:
        """Drops the marks of late and refused points of the seconds before `before`."""
        for marks in (self.late, self.refused):
            for second in [second for second in marks if second < before]:
                del marks[second]

    def is_settled(self) -> bool:
        """Whether time alone cannot make it say anything: nothing in any window, and its silence already told."""
        if len(self.points) or len(self.past) or self.late or self.refused or any(part is not None for part in self.parts):
            return False
        if self.ladder is None:
            return True
        return self.count == 0 and self.status is not None and self.status.reason in ("missing", "engine_error")

    def gather(self, place: int, part: Part) -> None:
        """Adds a part to the open window of the size at `place`."""
        if part.count:
            gathered = self.parts[place]
            if gathered is None:
                gathered = self.parts[place] = Part()
            gathered.merge(part)

    def first_offset(self, second: int) -> int | None:
        """Offset of the oldest point in the judged window that ends with the current second; None: it is empty."""
        least = self.judged.first_offset(second - self.spec.window + 1)
        if self.current_count and (least is None or self.current_offset < least):
            least = self.current_offset
        return least


def _marked(marks: dict[int, int], second: int) -> dict[int, int]:
    """The marks with one more in this second."""
    marks = marks or {}
    marks[second] = marks.get(second, 0) + 1
    return marks
