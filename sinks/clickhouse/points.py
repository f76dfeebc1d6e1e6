"""Records of the points topic → blocks of the table `points`: every well-formed point, none of the others.

The judgement is that of the engine as far as it needs no state: names, tenant, metric, time, range, and whether the
subject belongs to the partition. It is made for each *different* text and for whole columns of numbers, not for each
point: a block of 100,000 points has some thousand different names.
"""

from __future__ import annotations

from typing import Any, cast

import msgspec
import numpy as np
from confluent_kafka import Message
from numpy.typing import NDArray

from schemas.headers import headers_of
from schemas.partitioning import partition_for, subject_key
from schemas.points import (
    MAX_POINTS,
    MAX_TS_MS,
    MAX_VALUE,
    METRIC_NAME,
    POINTS,
    POINTS_MSGPACK,
    TIMED_POINTS,
    BadPoint,
    Point,
    TimedPoint,
    is_entity_name,
    parse_ts,
    split,
)
from schemas.topics import HEADER_ENCODING, HEADER_KIND
from sinks.clickhouse import native
from sinks.clickhouse.settings import Admission

Mask = NDArray[np.bool_]
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class PointsBuilder:
    """Collects points of one round.

    Attributes:
        rows: collected so far, refused ones among them.
        refused: points and messages left out, since the start.
    """

    def __init__(self, admission: Admission, partitions: int) -> None:
        self._admission = admission
        self._partitions = partitions
        self._good_names: dict[str, bool] = {}
        self.refused = 0
        self._clear()

    def _clear(self) -> None:
        self._points: list[TimedPoint | Point] = []
        self._indices: list[int] | None = None
        self._counts: list[int] = []
        self._at: list[tuple[int, int, int]] = []
        self.rows = 0

    def add(self, message: Message) -> None:
        """One record; those of other kinds than points, and what cannot be read, add nothing."""
        headers = headers_of(message)
        if HEADER_KIND in headers:
            return
        encoding = headers.get(HEADER_ENCODING)
        value = message.value()
        if value is None:
            return
        decoded = _decoded(value, encoding)
        if decoded is None:
            self._add_apart(message, value, encoding)
            return
        if type(decoded) is not list:
            self._points.append(decoded)
            count = 1
        elif len(decoded) <= MAX_POINTS:
            self._points.extend(decoded)
            count = len(decoded)
        else:
            self.refused += 1
            return
        if self._indices is not None:
            self._indices.extend(range(count))
        self._note(message, count)

    def take(self) -> tuple[int, bytes] | None:
        """The collected points' block and its number of rows, and begins anew; None if there is nothing to insert."""
        if not self._points:
            return None
        points, at, counts, indices = self._points, self._at, self._counts, self._indices
        self._clear()
        tenants = native.factor([point.tenant for point in points])
        subjects = native.factor([point.subject for point in points])
        metrics = native.factor([point.metric for point in points])
        sources = native.factor([point.source for point in points])
        values = np.asarray([point.value for point in points], dtype="<f8")
        stamps = _stamps(points)
        where = np.repeat(np.asarray(at, dtype="<i8"), counts, axis=0)
        partition, offset, recorded = where[:, 0], where[:, 1], where[:, 2]
        if indices is None:
            starts = np.repeat(np.cumsum(counts) - counts, counts)
            idx = np.arange(len(points)) - starts
        else:
            idx = np.asarray(indices)

        good = self._named(tenants, subjects, metrics, sources)
        low, high = self._ranges(metrics.uniques)
        good &= (values >= low[metrics.codes]) & (values <= high[metrics.codes])  # NaN is in no range
        good &= (stamps >= 0) & (stamps <= MAX_TS_MS)
        good &= self._at_home(tenants, subjects, partition)
        if not good.all():
            self.refused += int(len(good) - good.sum())
            tenants, subjects, metrics, sources = (_narrowed(column, good) for column in (tenants, subjects, metrics, sources))
            values, stamps, idx = np.asarray(values[good]), np.asarray(stamps[good]), np.asarray(idx[good])
            partition, offset, recorded = partition[good], offset[good], recorded[good]
        if not len(values):
            return None
        columns = [
            native.few_texts("tenant", tenants),
            native.few_texts("subject", subjects),
            native.few_texts("metric", metrics),
            native.numbers("value", "Float64", values),
            native.times("ts", stamps),
            native.few_texts("source", native.Factor(sources.codes, [name or "" for name in sources.uniques])),
            native.numbers("partition", "UInt16", partition),
            native.numbers("offset", "UInt64", offset),
            native.numbers("idx", "UInt32", idx),
            native.days("day", recorded),
        ]
        return len(values), native.block(len(values), columns)

    def _note(self, message: Message, count: int) -> None:
        self._counts.append(count)
        self._at.append((cast(int, message.partition()), cast(int, message.offset()), message.timestamp()[1]))
        self.rows += count

    def _add_apart(self, message: Message, value: bytes, encoding: bytes | None) -> None:
        """The forgiving reading: good items of a message with bad ones keep their place in it."""
        try:
            items = split(value, encoding.decode("ascii", "replace") if encoding is not None else None)
        except BadPoint:
            self.refused += 1
            return
        good = [(index, point) for index, (_, point, _) in enumerate(items) if isinstance(point, Point)]
        self.refused += len(items) - len(good)
        if not good:
            return
        if self._indices is None:
            self._indices = [index for count in self._counts for index in range(count)]
        self._indices.extend(index for index, _ in good)
        self._points.extend(point for _, point in good)
        self._note(message, len(good))

    def _named(self, tenants: native.Factor, subjects: native.Factor, metrics: native.Factor, sources: native.Factor) -> Mask:
        known = self._admission.tenants
        tenant_ok = np.array([self._is_name(name) and (known is None or name in known) for name in tenants.uniques])
        metric_ok = np.array([METRIC_NAME.match(name) is not None for name in metrics.uniques])
        subject_ok = np.array([self._is_name(name) for name in subjects.uniques])
        source_ok = np.array([name is None or self._is_name(name) for name in sources.uniques])
        if all(flags.all() for flags in (tenant_ok, subject_ok, metric_ok, source_ok)):
            return np.ones(len(tenants.codes), dtype=np.bool_)
        mask: Mask = tenant_ok[tenants.codes] & subject_ok[subjects.codes] & metric_ok[metrics.codes] & source_ok[sources.codes]
        return mask

    def _is_name(self, name: str) -> bool:
        known = self._good_names.get(name)
        if known is None:
            if len(self._good_names) > 200_000:
                self._good_names.clear()
            known = self._good_names[name] = is_entity_name(name)
        return known

    def _ranges(self, metrics: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        ranges = [self._admission.ranges.get(metric, (-MAX_VALUE, MAX_VALUE)) for metric in metrics]
        return np.array([low for low, _ in ranges]), np.array([high for _, high in ranges])

    def _at_home(self, tenants: native.Factor, subjects: native.Factor, partition: NDArray[np.int64]) -> Mask:
        """Whether each point stands in the partition of its subject."""
        if len(tenants.uniques) == 1:
            tenant = tenants.uniques[0]
            homes = np.array([self._home(tenant, subject) for subject in subjects.uniques])
            return np.asarray(homes[subjects.codes] == partition)
        width = len(subjects.uniques)
        pairs, codes = np.unique(tenants.codes.astype(np.int64) * width + subjects.codes, return_inverse=True)
        homes = np.array([self._home(tenants.uniques[pair // width], subjects.uniques[pair % width]) for pair in pairs])
        return np.asarray(homes[codes] == partition)

    def _home(self, tenant: str, subject: str) -> int:
        try:
            return partition_for(subject_key(tenant, subject), self._partitions)
        except UnicodeEncodeError:
            return -1  # a lone surrogate is no name


def _decoded(value: bytes, encoding: bytes | None) -> Any:
    """One point or a list of points; None if an item is not well-formed. Nearly all have integer times: these first."""
    if encoding != b"msgpack":
        try:
            return TIMED_POINTS.decode(value)
        except _UNREADABLE:
            pass
    try:
        return (POINTS_MSGPACK if encoding == b"msgpack" else POINTS).decode(value)
    except _UNREADABLE:
        return None


def _stamps(points: list[TimedPoint | Point]) -> NDArray[np.int64]:
    """`ts` of each point in ms; -1 where it is no time."""
    raw = [point.ts for point in points]
    try:
        return np.asarray(raw, dtype="<i8") if set(map(type, raw)) == {int} else np.asarray([_stamp(ts) for ts in raw], dtype="<i8")
    except OverflowError:
        return np.asarray([_stamp(ts) for ts in raw], dtype="<i8")


def _stamp(ts: int | str) -> int:
    try:
        return parse_ts(ts)
    except BadPoint:
        return -1


def _narrowed(column: native.Factor, good: Mask) -> native.Factor:
    """The column's good rows, and of its texts only those that they use: a bad text may be no UTF-8."""
    used, codes = np.unique(column.codes[good], return_inverse=True)
    return native.Factor(codes.astype(np.int32), [column.uniques[place] for place in used])
