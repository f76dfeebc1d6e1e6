"""Virtual time: in which order a driver writes points and ticks, and when. Pure: no clock, no I/O.

In a namespace of its own one driver writes everything, with record times that it chooses, so that 140 minutes may
pass in 84 seconds and the verdicts are those of real time. What makes them so is the order within each partition
(docs/semantics.md §1): tick T stands after every record whose time is ≤ T and before the first that is past it.
`schedule` yields that order, second by second; the thin part that writes it to Kafka is `iskra.driver`.

Every `hold` virtual seconds stands a `Barrier`: there the writer waits until all that was caused so far can be read.
Whoever reacts to verdicts (a demonstration, an experiment that intervenes) does so at barriers, so a reaction
stands at the same virtual second at any speed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from schemas.commands import Command
from schemas.partitioning import partition_for, subject_key
from schemas.points import MAX_POINTS, Point

HOLD_S = 10
"""Virtual seconds between barriers: the granularity of reactions."""


class Timed(NamedTuple):
    """A point and the virtual time at which it reaches the log, epoch ms (its own `ts` may be earlier)."""

    time: int
    point: Point


class Record(NamedTuple):
    """One record to write: points of one partition, a command, or (both None) a tick. `time` is its record time, epoch ms."""

    partition: int
    time: int
    points: list[Point] | None
    command: Command | None = None


class Barrier(NamedTuple):
    """Everything up to this virtual second (epoch s) is written: wait until its effects can be read."""

    second: int


Source = Callable[[int], Iterable[Timed]]
"""Gives the points of one virtual second T (epoch s): those whose time is in ((T − 1) s, T s], in any order.

It is asked for a second only after the steps before it were taken, so what happened at a barrier may change the answer.
"""

Commands = Callable[[int], Iterable[Command]]
"""Gives the commands that stand directly after the tick of a second (epoch s); asked for after the ticks were yielded."""


def schedule(
    source: Source,
    *,
    start: int,
    seconds: int | None,
    partitions: int,
    hold: int = HOLD_S,
    batch_ms: int = 1000,
    commands: Commands | None = None,
) -> Iterator[Record | Barrier]:
    """The records of a run, in an order that is right for each partition.

    Args:
        source: the points, second by second.
        start: epoch s; the first second asked for is `start` + 1.
        seconds: length of the run in virtual seconds; None: without end.
        partitions: of the points topic; each gets every tick.
        hold: seconds between barriers (at multiples of it, and one at the end).
        batch_ms: points of one partition whose times lie in the same `batch_ms` become one array (1 … 1000).
        commands: each becomes a record of its subject's partition, directly after the second's tick.
    Raises:
        ValueError: an argument is out of range, or the source gave a point outside its second.
    """
    if not 1 <= batch_ms <= 1000:
        raise ValueError(f"batch_ms: expected 1 to 1000, got {batch_ms}")
    if start < 1 or hold < 1 or partitions < 1:
        raise ValueError("start, hold and partitions: expected 1 or more")
    second = start
    while seconds is None or second < start + seconds:
        second += 1
        yield from _records(source(second), second, partitions, batch_ms)
        for partition in range(partitions):
            yield Record(partition, second * 1000, None)
        for command in commands(second) if commands is not None else ():
            yield Record(partition_for(subject_key(command.tenant, command.subject), partitions), second * 1000, None, command)
        if second % hold == 0:
            yield Barrier(second)
    if second % hold:
        yield Barrier(second)


def _records(timed: Iterable[Timed], second: int, partitions: int, batch_ms: int) -> list[Record]:
    """One second's points as arrays, ascending in time; an array's time is that of its last point."""
    first = (second - 1) * 1000
    open_: dict[tuple[int, int], list[Timed]] = {}
    for item in sorted(timed, key=operator.itemgetter(0)):
        if not first < item.time <= first + 1000:
            raise ValueError(f"a point of second {second} has time {item.time}: expected {first + 1} to {first + 1000}")
        partition = partition_for(subject_key(item.point.tenant, item.point.subject), partitions)
        open_.setdefault((partition, (item.time - first - 1) // batch_ms), []).append(item)
    records = [
        Record(partition, part[-1].time, [item.point for item in part])
        for (partition, _), items in open_.items()
        for part in (items[at : at + MAX_POINTS] for at in range(0, len(items), MAX_POINTS))
    ]
    return sorted(records, key=operator.attrgetter("time"))


class Pace:
    """When a virtual second is due on the wall clock. A run that fell behind catches up between two barriers at the most.

    Args:
        speed: virtual seconds a second; infinity: at once. start: epoch s of the first virtual second. now: the clock, s.
    """

    def __init__(self, speed: float, start: int, now: float) -> None:
        if not speed > 0:
            raise ValueError(f"speed: expected above 0, got {speed}")
        self._speed = speed
        self._start = start
        self._began = now

    def wait(self, time_ms: int, now: float) -> float:
        """Seconds to wait until the virtual time `time_ms` (epoch ms) is due; 0 if it is."""
        return max(0.0, self._began + (time_ms / 1000 - self._start) / self._speed - now)

    def held(self, time_ms: int, now: float) -> None:
        """After a barrier that lasted longer than it should: goes on from here at the same speed, without a rush."""
        late = now - (self._began + (time_ms / 1000 - self._start) / self._speed)
        if late > 0:
            self._began += late
