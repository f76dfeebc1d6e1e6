"""The points of one series that have not gone into a part yet, by second of subject time."""

from __future__ import annotations

from typing import Final

from librt.vecs import append, extend, vec
from mypy_extensions import i64, mypyc_attr

from processors.quantiles import EXACT
from processors.vectors import inserted, listed, sum_of
from processors.windows import Part

NEVER: Final = -(1 << 62)
"""Before every `ts`."""
_PAST: Final = 3
"""Numbers a second in `OpenPoints.past`."""
_NO_POINTS: Final = vec[i64]()
"""Shared by all series without points: an empty vector has no place to write to, so `append` makes another."""


@mypyc_attr(acyclic=True)
class OpenPoints:
    """Values in one vector, by second; of a second only the last place means something, for it holds the last point.

    From `begun` on `points` are the subject's current second's; the first `summed` of them stand in the sums of the judged window.
    `past` has the seconds of those before, in the order of time: which, how many of the points, and the greatest `ts` (ms) of all
    its points, whose point is the last one. `folded` is what a flood in a second was folded into; it comes before the second's others.
    """

    __slots__ = ("begun", "folded", "is_folded", "max_ts", "past", "points", "summed")

    def __init__(self) -> None:
        self.points = _NO_POINTS
        self.begun = 0
        self.summed = 0
        self.past = _NO_POINTS
        self.folded: dict[int, Part] | None = None
        self.is_folded = False  # also of the current second points were folded away: it is the last of `past`
        self.max_ts = NEVER

    def take_points(self, points: vec[i64], past: vec[i64], second: int) -> None:
        """Begins with points and past seconds that were another's; `second` is the current one. All stand in its sums."""
        self.points, self.past = points, past
        self.summed = len(points)
        self.begun = 0
        for place in range(0, len(past), _PAST):
            self.begun += past[place + 1]
            self.is_folded = past[place] == second

    def is_new_second(self) -> bool:
        """Whether the current second has no points yet."""
        return len(self.points) == self.begun and not self.is_folded

    def of_current(self) -> tuple[int, int]:
        """Number and sum (× 10⁹) of the points of the current second, those folded among them."""
        end = len(self.points)
        count, total = end - self.begun, sum_of(self.points, self.begun, end)
        if self.is_folded:
            part = self._folded(self.past[len(self.past) - _PAST])
            count += part.count
            total += part.total
        return count, total

    def fold(self, second: int) -> None:
        """Folds the points of the current second, `second` (all summed), into a part: a flood costs no memory."""
        if not self.is_folded:
            self.is_folded = True
            self._append_past(second, 0, self.max_ts)
        self._folded(second).add(listed(self.points, self.begun, len(self.points)))
        self.past[len(self.past) - 1] = self.max_ts
        self.points = self.points[: self.begun]
        self.summed = self.begun

    def _folded(self, second: int) -> Part:
        """What was folded away of a second's points."""
        if self.folded is None:
            self.folded = {}
        part = self.folded.get(second)
        if part is None:
            part = self.folded[second] = Part()
        return part

    def _append_past(self, second: int, number: int, last_ts: int) -> None:
        self.past = append(append(append(self.past, second), number), last_ts)

    def put_to_past(self, second: int) -> bool:
        """Puts the points of the current second, `second`, to the past ones; tells whether there were any."""
        end = len(self.points)
        number = end - self.begun
        if self.is_folded:
            if number:
                self.past[len(self.past) - 2] = number
                self.past[len(self.past) - 1] = self.max_ts
        elif number:
            self._append_past(second, number, self.max_ts)
        else:
            return False
        self.begun = end
        self.is_folded = False
        return True

    def insert_past(self, at: int, value: int, ts: int) -> None:
        """Adds a point of the earlier second `at`."""
        place = len(self.past)
        end = self.begun
        while place and self.past[place - _PAST] > at:
            place -= _PAST
            end -= self.past[place + 1]
        if place and self.past[place - _PAST] == at:
            place -= _PAST
        else:
            for number in (ts, 0, at):
                self.past = inserted(self.past, place, number)
        past = self.past
        last_ts = past[place + 2]
        if ts < last_ts and not past[place + 1]:
            _add_before_last(self._folded(at), value)
            return
        self.points = inserted(self.points, end if ts >= last_ts else end - 1, value)
        past[place + 1] += 1
        past[place + 2] = max(ts, last_ts)
        self._shift(1)
        number = past[place + 1]
        if number > EXACT:
            begin = end + 1 - number
            self._folded(at).add(listed(self.points, begin, end + 1))
            self.points = extend(self.points[:begin], self.points[end + 1 :])
            self._shift(-number)
            past[place + 1] = 0

    def _shift(self, number: int) -> None:
        """So many points have come before those of the current second."""
        self.begun += number
        self.summed += number

    def insert_current(self, value: int, ts: int) -> None:
        """Adds a point of the current second that others of the subject have overtaken; it counts as summed."""
        if len(self.points) > self.begun:
            self.points = inserted(self.points, len(self.points) if ts >= self.max_ts else len(self.points) - 1, value)
        elif self.is_folded and ts < self.past[len(self.past) - 1]:
            _add_before_last(self._folded(ts // 1000), value)
            return
        else:
            self.points = append(self.points, value)
        self.summed += 1

    def take_part(self, end: int) -> Part:
        """Takes the points of the seconds before `end` out of it."""
        part = Part()
        points, past = self.points, self.past
        begin = number = place = 0
        while place < len(past) and past[place] < end:
            if self.folded is not None and past[place] in self.folded:
                part.add(listed(points, begin, number))
                begin = number
                part.merge(self.folded.pop(past[place]))
            number += past[place + 1]
            place += _PAST
        if place:
            part.add(listed(points, begin, number))
            self.points = points[number:]
            self.past = past[place:]
            self._shift(-number)
        return part


def _add_before_last(part: Part, value: int) -> None:
    """Adds an older point than the last to a part."""
    last = part.last
    part.add([value])
    part.last = last
