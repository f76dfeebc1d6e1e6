"""Points into arrays, one open array for each partition: the pure part of the producer.

A point is checked and turned into JSON text as soon as it comes, so that what the caller does with it afterwards
changes nothing, sizes are exact, and a batch is only a list of texts to be joined. What names a series (tenant,
subject, metric) is checked and encoded once and remembered: a point then costs one look-up and one format.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from iskra.client.errors import InvalidPoint
from schemas.partitioning import partition_for, subject_key
from schemas.points import DEFAULT_TENANT, MAX_POINTS, MAX_TS_MS, MAX_VALUE, METRIC_NAME, BadPoint, Point, is_entity_name, parse_ts

VITALS = frozenset({"clarity", "chaos", "trust", "pain"})
"""Metrics whose values lie in 0 … 1."""

MAX_BATCH_BYTES = 1_000_000
"""A message stays below this: well under the topics' 4 MiB, so that a re-delivery never carries much."""

_MAX_SERIES = 262_144
"""Series remembered; beyond it all are forgotten and learnt anew (about 100 MB at the most)."""
_ITEM_OVERHEAD = 1
_BRACKETS = 2

_DECODE_ITEM = msgspec.json.Decoder(Point)

Refuse = Callable[[int, InvalidPoint], None]
"""Told of a point that is refused: its place in the input, and why."""


class Batch:
    """Points of one partition that become one message.

    Attributes:
        partition: where it goes. key: the key of its first subject (`tenant/subject`), that of the message.
        items: the points' JSON texts, in order. size: bytes of the message. since: when the first was added (s).
    """

    __slots__ = ("items", "key", "partition", "since", "size")

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.key = b""
        self.items: list[str] = []
        self.size = _BRACKETS
        self.since = 0.0

    def message(self) -> bytes:
        """The message: one JSON object, or an array where there are several points."""
        if len(self.items) == 1:
            return self.items[0].encode()
        return f"[{','.join(self.items)}]".encode()

    def points(self) -> list[Point]:
        """The points again, as they were sent."""
        return [_DECODE_ITEM.decode(item) for item in self.items]


class _Lane:
    """The open batch of one partition."""

    __slots__ = ("batch", "partition")

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.batch = Batch(partition)

    def take(self) -> Batch:
        batch = self.batch
        self.batch = Batch(self.partition)
        return batch


_Series = tuple[_Lane, bytes, str, int, float, float]
"""Lane, key, text before the value, bytes that UTF-8 adds to the text's length, least and greatest value."""


class Batcher:
    """Sorts points into one open batch for each partition. Not thread-safe; no clock, no I/O.

    Args:
        partitions: of the points topic.
        max_points: points in one message, 1 … 10,000.
        max_bytes: bytes of one message, 2,000 … 1,000,000.
    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(self, partitions: int, max_points: int, max_bytes: int) -> None:
        if partitions < 1:
            raise ValueError(f"partitions: expected 1 or more, got {partitions}")
        if not 1 <= max_points <= MAX_POINTS:
            raise ValueError(f"batch_points: expected 1 to {MAX_POINTS}, got {max_points}")
        if not 2000 <= max_bytes <= MAX_BATCH_BYTES:
            raise ValueError(f"batch_bytes: expected 2000 to {MAX_BATCH_BYTES}, got {max_bytes}")
        self._partitions = partitions
        self._max_points = max_points
        self._max_bytes = max_bytes
        self._lanes = [_Lane(partition) for partition in range(partitions)]
        self._series: dict[tuple[str, str, str], _Series] = {}

    def fill(self, points: Iterable[Point], now: float, refuse: Refuse | None = None, start: int = 0) -> tuple[int, list[Batch]]:
        """Adds points, in order.

        Args:
            points: they are not kept.
            now: the time, s, on any clock that does not go back.
            refuse: told of each bad point, then the rest goes on; None: the first bad point raises.
            start: the place of the first of `points` in the caller's input.
        Returns:
            How many were added, and the batches that became full, in order; the rest stays open.
        Raises:
            Stopped: only without `refuse`: an `InvalidPoint` that carries what was done before it.
        """
        full: list[Batch] = []
        added = 0
        known = self._series.get
        max_points, max_bytes = self._max_points, self._max_bytes
        for index, point in enumerate(points, start):
            try:
                series = known((point.tenant, point.subject, point.metric)) or self._learn(point.tenant, point.subject, point.metric)
                lane, key, prefix, extra, low, high = series
                value, ts = point.value, point.ts
                if type(value) is float and low <= value <= high and type(ts) is int and 0 <= ts <= MAX_TS_MS and point.source is None:
                    text = f'{prefix}{value!r},"ts":{ts}}}'
                else:
                    text, more = _careful(point, prefix, low, high)
                    extra += more
            except InvalidPoint as error:
                error.index = index
                if refuse is None:
                    raise Stopped(added, full, error) from error
                refuse(index, error)
                continue
            batch = lane.batch
            size = len(text) + extra + _ITEM_OVERHEAD
            if batch.items and batch.size + size > max_bytes:
                full.append(lane.take())
                batch = lane.batch
            if not batch.items:
                batch.key = key
                batch.since = now
            batch.items.append(text)
            batch.size += size
            added += 1
            if len(batch.items) >= max_points:
                full.append(lane.take())
        return added, full

    def due(self, before: float) -> list[Batch]:
        """Takes the open batches whose first point was added at `before` or earlier."""
        return [lane.take() for lane in self._lanes if lane.batch.items and lane.batch.since <= before]

    def oldest(self) -> float | None:
        """When the first point of the oldest open batch was added; None: nothing is open."""
        return min((lane.batch.since for lane in self._lanes if lane.batch.items), default=None)

    def _learn(self, tenant: Any, subject: Any, metric: Any) -> _Series:
        for field, name in (("tenant", tenant), ("subject", subject)):
            _check_entity(field, name)
        if not isinstance(metric, str) or METRIC_NAME.match(metric) is None:
            raise InvalidPoint(f"metric: expected a lower-case letter, then up to 63 of a-z 0-9 _, got {metric!r}")
        key = subject_key(tenant, subject)
        head = "" if tenant == DEFAULT_TENANT else f'"tenant":"{tenant}",'
        # names hold letters, digits and . _ : - only, so nothing needs escaping
        prefix = f'{{{head}"subject":"{subject}","metric":"{metric}","value":'
        low, high = (0.0, 1.0) if metric in VITALS else (-MAX_VALUE, MAX_VALUE)
        series = (self._lanes[partition_for(key, self._partitions)], key, prefix, len(prefix.encode()) - len(prefix), low, high)
        if len(self._series) >= _MAX_SERIES:
            self._series.clear()
        self._series[tenant, subject, metric] = series
        return series


class Stopped(InvalidPoint):
    """An `InvalidPoint` that ended a `fill`: `added` and `full` are what that would have returned."""

    def __init__(self, added: int, full: list[Batch], error: InvalidPoint) -> None:
        super().__init__(str(error), error.index)
        self.added = added
        self.full = full


def _check_entity(field: str, name: Any) -> None:
    if not isinstance(name, str) or not is_entity_name(name):
        raise InvalidPoint(f"{field}: expected 1 to 128 letters, digits and . _ : - (no /), got {name!r}")


def _careful(point: Point, prefix: str, low: float, high: float) -> tuple[str, int]:
    """The text of a point that is not of the plainest kind, and the bytes that UTF-8 adds to it.

    Raises:
        InvalidPoint: value, ts or source are not what a point may have.
    """
    value = point.value
    if type(value) is not float:
        if isinstance(value, (bool, str, bytes)) or not hasattr(value, "__float__"):
            raise InvalidPoint(f"value: expected a number, got {value!r}")
        try:
            value = float(value)
        except (TypeError, ValueError, OverflowError):
            raise InvalidPoint(f"value: expected a finite number, got {value!r}") from None
    if not low <= value <= high:
        raise InvalidPoint(f"value: expected a finite number from {low:g} to {high:g} for {point.metric}, got {value!r}")
    ts = point.ts
    if type(ts) is not int:
        try:
            if isinstance(ts, bool):
                raise TypeError
            ts = parse_ts(ts if isinstance(ts, str) else operator.index(ts))
        except BadPoint as error:
            raise InvalidPoint(f"{error}, got {point.ts!r}") from None
        except TypeError:
            raise InvalidPoint(f"ts: expected integer epoch milliseconds or RFC 3339 with a zone, got {point.ts!r}") from None
    if not 0 <= ts <= MAX_TS_MS:
        raise InvalidPoint(f"ts: expected epoch milliseconds of the years 1970 to 9999, got {ts}")
    source = point.source
    if source is None:
        return f'{prefix}{value!r},"ts":{ts}}}', 0
    _check_entity("source", source)
    return f'{prefix}{value!r},"ts":{ts},"source":"{source}"}}', len(source.encode()) - len(source)
