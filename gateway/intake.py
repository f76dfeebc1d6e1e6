"""Reads a body of points and sorts it: what goes to the log, what is refused and why. No I/O.

What is refused here is what any worker would refuse without knowing the subject's state, with the same reasons; times
are left to the worker, which judges them by the broker's clock. The rest of a body goes on.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from schemas.config import Config
from schemas.outputs import DeadLetter
from schemas.partitioning import partition_for, subject_key
from schemas.points import (
    DEFAULT_TENANT,
    MAX_POINTS,
    MAX_TS_MS,
    MAX_VALUE,
    METRIC_NAME,
    TIMED_POINTS,
    BadPoint,
    Point,
    TimedPoint,
    is_entity_name,
    parse_ts,
    raw_items,
    split,
)

ARRAY_BYTES = 900_000
"""An array for the log stays below a megabyte, well under what the topic takes."""
MAX_TOLD_BYTES = 65_536
MAX_TOLD_NAME = 256
NAMES_KEPT = 100_000
BOM = b"\xef\xbb\xbf"
"""Files from Windows begin so; JSON forbids it, and lets a reader ignore it."""

_LINES = msgspec.json.Decoder(TimedPoint)
_JSON = msgspec.json.Encoder()


class Unreadable(ValueError):
    """The body as a whole is no points: 422."""


class TooMany(ValueError):
    """More points than one request may hold: 413."""


class Rejected(msgspec.Struct, frozen=True):
    """An item that was refused: its place in the body (blank lines are no items), the reason, and the detail for people."""

    index: int
    reason: str
    detail: str


class Array(NamedTuple):
    """Points of one partition in order, as one message."""

    partition: int
    key: bytes
    value: bytes


class Letter(NamedTuple):
    """A dead letter, ready to send."""

    key: bytes
    identity: bytes
    value: bytes


class Sorted(NamedTuple):
    """A body, sorted."""

    accepted: int
    arrays: list[Array]
    rejected: list[Rejected]
    letters: list[Letter]


class Intake:
    """Sorts bodies under one configuration, for a points topic of so many partitions."""

    def __init__(self, config: Config, partitions: int) -> None:
        self._tenants = None if config.tenants is None else frozenset(config.tenants)
        self._bounds = {name: metric.values for name, metric in config.metrics.items()}
        self._partitions = partitions
        self._subjects: dict[tuple[str, str], int] = {}  # tenant and subject that were found good, with their partition
        self._sources: set[str | None] = {None}

    def sort(self, body: bytes, lines: bool) -> Sorted:
        """Sorts a JSON object or array, or NDJSON where `lines`.

        Raises:
            Unreadable: it cannot be read as a whole.
            TooMany: it holds more than 10,000 points.
        """
        body = body.removeprefix(BOM)
        points: list[TimedPoint] | None = None
        try:
            if lines:
                points = _LINES.decode_lines(body)
            else:
                decoded = TIMED_POINTS.decode(body)
                points = decoded if isinstance(decoded, list) else [decoded]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            points = None
        if points is None:
            return self._slow(body, lines)
        if lines and not points:
            raise Unreadable("empty body")
        if len(points) > MAX_POINTS:
            raise TooMany(f"{len(points)} points in one request, at most {MAX_POINTS}")
        groups: dict[int, list[TimedPoint]] = {}
        bad: list[tuple[int, BadPoint]] = []
        for index, point in enumerate(points):
            try:
                groups.setdefault(self._check(point), []).append(point)
            except BadPoint as error:
                bad.append((index, error))
        if not bad:
            return Sorted(len(points), list(_arrays(groups)), [], [])
        raws = _line_items(body) if lines else raw_items(body)
        if len(raws) != len(points):  # a point spread over several lines
            raws = [_JSON.encode(point) for point in points]
        told = [(index, error, raws[index], (points[index].tenant, points[index].subject, points[index].metric)) for index, error in bad]
        return _sorted(groups, told)

    def _check(self, point: TimedPoint) -> int:
        """The partition of a good point.

        Raises:
            BadPoint: the first rule that it breaks.
        """
        if not 0 <= point.ts <= MAX_TS_MS:
            parse_ts(point.ts)
        partition = self._subjects.get((point.tenant, point.subject))
        if partition is None or point.source not in self._sources:
            partition = self._check_names(point)
        bounds = self._bounds.get(point.metric)
        if bounds is None:
            if METRIC_NAME.match(point.metric) is None:
                raise BadPoint("bad_metric", "metric: expected a lower-case letter, then up to 63 of a-z 0-9 _")
            bounds = (-MAX_VALUE, MAX_VALUE)
        if not bounds[0] <= point.value <= bounds[1]:
            raise BadPoint("out_of_range", f"value: {point.value!r} is not within {bounds[0]:g} to {bounds[1]:g}")
        return partition

    def _check_names(self, point: TimedPoint) -> int:
        for field in ("tenant", "subject", "source"):
            name = getattr(point, field)
            if name is not None and not is_entity_name(name):
                raise BadPoint("bad_name", f"{field}: expected 1 to 128 letters, digits and . _ : -")
        if METRIC_NAME.match(point.metric) is None:
            raise BadPoint("bad_metric", "metric: expected a lower-case letter, then up to 63 of a-z 0-9 _")
        if self._tenants is not None and point.tenant not in self._tenants:
            raise BadPoint("unknown_tenant", f"tenant {point.tenant} is not in the configuration's list")
        if len(self._subjects) >= NAMES_KEPT:
            self._subjects.clear()
        if len(self._sources) >= NAMES_KEPT:
            self._sources = {None}
        self._sources.add(point.source)
        partition = partition_for(subject_key(point.tenant, point.subject), self._partitions)
        self._subjects[point.tenant, point.subject] = partition
        return partition

    def _slow(self, body: bytes, lines: bool) -> Sorted:
        groups: dict[int, list[TimedPoint]] = {}
        told: list[tuple[int, BadPoint, bytes, tuple[Any, Any, Any]]] = []
        for index, (raw, point, item) in enumerate(_split_lines(body) if lines else _split_whole(body)):
            try:
                if isinstance(point, BadPoint):
                    raise point
                timed = _timed(point)
                groups.setdefault(self._check(timed), []).append(timed)
            except BadPoint as error:
                told.append((index, error, raw, _readable(item)))
        return _sorted(groups, told)


def _timed(point: Point) -> TimedPoint:
    return TimedPoint(
        subject=point.subject,
        metric=point.metric,
        value=point.value,
        ts=parse_ts(point.ts),
        tenant=point.tenant,
        source=point.source,
    )


def _line_items(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if line.strip()]


Items = list[tuple[bytes, Point | BadPoint, dict[str, Any]]]


def _split_lines(body: bytes) -> Items:
    found = _line_items(body)
    if not found:
        raise Unreadable("empty body")
    if len(found) > MAX_POINTS:
        raise TooMany(f"{len(found)} points in one request, at most {MAX_POINTS}")
    items: Items = []
    for raw in found:
        if raw.lstrip()[:1] == b"[":
            items.append((raw, BadPoint("invalid", "expected one object a line, got an array"), {}))
            continue
        try:
            items += split(raw)
        except BadPoint as error:
            items.append((raw, error, {}))
    return items


def _split_whole(body: bytes) -> Items:
    if not body.strip():
        raise Unreadable("empty body")
    if body.lstrip()[:1] not in (b"{", b"["):
        raise Unreadable("expected a JSON object or an array of objects")
    try:
        return split(body)
    except BadPoint as error:
        if error.reason == "too_many_points":
            raise TooMany(str(error)) from None
        raise Unreadable(str(error)) from None


def _readable(item: dict[str, Any]) -> tuple[Any, Any, Any]:
    return (item.get("tenant", DEFAULT_TENANT) if item else None, item.get("subject"), item.get("metric"))


def _arrays(groups: dict[int, list[TimedPoint]]) -> Iterator[Array]:
    for partition, points in groups.items():
        yield from _messages(partition, points)


def _messages(partition: int, points: list[TimedPoint]) -> Iterator[Array]:
    value = _JSON.encode(points)
    if len(value) > ARRAY_BYTES and len(points) > 1:
        half = len(points) // 2
        yield from _messages(partition, points[:half])
        yield from _messages(partition, points[half:])
        return
    yield Array(partition, subject_key(points[0].tenant, points[0].subject), value)


def _sorted(groups: dict[int, list[TimedPoint]], told: list[tuple[int, BadPoint, bytes, tuple[Any, Any, Any]]]) -> Sorted:
    request = secrets.token_hex(8)
    rejected = [Rejected(index, error.reason, _tellable(str(error)) or "") for index, error, _, _ in told]
    letters = [letter(request, index, error.reason, str(error), names, raw) for index, error, raw, names in told]
    return Sorted(sum(map(len, groups.values())), list(_arrays(groups)), rejected, letters)


def letter(request: str, index: int, reason: str, detail: str, names: tuple[Any, Any, Any], raw: bytes) -> Letter:
    """The dead letter of an item that never reached the log: its topic is `http`, its position -1, its id `http-REQUEST-INDEX`."""
    tenant, subject, metric = (_tellable(name) if isinstance(name, str) else None for name in names)
    key = b"" if tenant is None or subject is None else subject_key(tenant, subject)
    told = base64.b64encode(raw[:MAX_TOLD_BYTES]).decode("ascii")
    dead = DeadLetter(reason, _tellable(detail) or "", tenant, subject, metric, "http", -1, -1, index, told)
    return Letter(key, f"http-{request}-{index}".encode(), _JSON.encode(dead))


def _tellable(text: str) -> str:
    """The text cut to a sane length, and without lone surrogates, which are no UTF-8."""
    return text[:MAX_TOLD_NAME].encode("utf-8", "replace").decode()
