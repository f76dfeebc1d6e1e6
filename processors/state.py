"""A subject's state as bytes and back: what a checkpoint holds.

Plain nested arrays in MessagePack, with a format number in front; integers too large for 64 bits stand as bytes.
What can be derived (sums of the judged window, bands, what is calm) is not written. The many seconds of a series stand in flat arrays:
a worker writes thousands of states at each checkpoint, and an array a second doubles its work.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any, Final

import msgspec
from librt.vecs import vec
from mypy_extensions import i64

from processors.compiled import Compiled
from processors.series import Series, Status
from processors.subject import Subject
from processors.windows import Part

FORMAT: Final = 7

_FITS: Final = 1 << 61
"""Integers beyond it are rare; up to it a comparison is that of machine integers."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


def state_offset(raw: bytes) -> int:
    """The input offset at which a serialised state stands."""
    return int(_decode(raw)[1])


def dump(subject: Subject, offset: int, config: str) -> bytes:
    """The state of `subject`, standing at the input offset `offset` under the configuration `config` (its hash).

    Changes nothing that any output depends on.
    """
    for series in subject.series.values():
        series.sync(subject.second)
    return _encode(
        [
            FORMAT,
            offset,
            config,
            subject.tenant,
            subject.name,
            subject.time,
            subject.closed,
            subject.point_tick,
            subject.poisoned,
            {metric: _status(status) for metric, status in subject.carried.items()},
            [_series(series, subject.second) for series in subject.series.values()],
            None if subject.life is None else subject.life.dump(),
        ]
    )


def load(raw: bytes, configurations: Callable[[str], Compiled]) -> Subject:
    """The subject of a serialised state; `configurations` gives the one it stands under by its hash.

    Raises:
        ValueError: another format.
    """
    form, offset, config, tenant, name, time, closed, point_tick, poisoned, carried, series, life = _decode(raw)
    if form != FORMAT:
        raise ValueError(f"state of {tenant}/{name}: format {form}, expected {FORMAT}")
    compiled = configurations(config)
    subject = Subject(tenant, name, compiled, time, point_tick)
    subject.offset = offset
    subject.closed = closed
    subject.poisoned = poisoned
    subject.carried = {metric: Status(*status) for metric, status in carried.items()}
    for item in series:
        _load_series(item, subject, compiled)
    if poisoned:
        subject.life = None
    if life is not None and subject.life is not None:
        subject.life.load(life, subject.ladders)
    subject.set_quiet()
    return subject


def _status(status: Status) -> list[Any]:
    return [status.level, status.priority, status.side, status.reason, status.since]


def _series(series: Series, second: int) -> list[Any]:
    return [
        series.name,
        series.awake,
        None if series.status is None else _status(series.status),
        None if series.ladder is None else series.ladder.memory(),
        bytes(memoryview(series.points)),
        bytes(memoryview(series.past)),
        {} if series.folded is None else {second: _part(part) for second, part in series.folded.items()},
        [None if part is None else _part(part) for part in series.parts],
        series.current_offset,
        series.current_count,
        _pack(series.current_total),
        _judged(series, second),
        series.max_ts,
        series.run_value,
        series.run_count,
        series.run_ts,
        series.late,
        series.refused,
        series.judged_count,
        _pack(series.judged_total),
    ]


def _load_series(item: list[Any], subject: Subject, compiled: Compiled) -> None:
    name, awake, status, rungs, points, past, folded, parts, current_offset, current_count, current_total, judged, *rest = item
    series = subject.add_series(name, compiled)
    series.status = None if status is None else Status(*status)
    if series.ladder is not None and rungs is not None:
        series.ladder.remember([tuple(rung) for rung in rungs])
    series.take_points(vec[i64](array("q", points)), vec[i64](array("q", past)), subject.second)
    series.folded = {second: _load_part(part) for second, part in folded.items()} or None
    series.current_offset = current_offset
    series.parts = [None if part is None else _load_part(part) for part in parts]
    seconds = [
        (subject.second - ago, count, _unpack(total), offset)
        for ago, count, total, offset in zip(judged[::4], judged[1::4], judged[2::4], judged[3::4], strict=True)
    ]
    series.take_window(seconds, current_count, _unpack(current_total), subject.second)
    series.max_ts, series.run_value, series.run_count, series.run_ts, series.late, series.refused, judged_count, judged_total = rest
    series.judged_count, series.judged_total = judged_count, _unpack(judged_total)
    if awake:
        subject.wake(series)


def _judged(series: Series, second: int) -> list[int | bytes]:
    """Of each second of the judged window before the current one: how long ago (s), its count, total and offset."""
    told: list[int | bytes] = []
    for at, count, total, offset in series.judged.listed():
        told.append(second - at)
        told.append(count)
        told.append(_pack(total))
        told.append(offset)
    return told


def _part(part: Part) -> list[Any]:
    return [part.count, _pack(part.total), _pack(part.squares), part.least, part.greatest, part.last, part.values.tobytes(), part.bins]


def _load_part(item: list[Any]) -> Part:
    part = Part()
    part.count, total, squares, part.least, part.greatest, part.last, values, part.bins = item
    part.total, part.squares = _unpack(total), _unpack(squares)
    part.values = array("q", values)
    part.runs = part.count  # at most so many
    return part


def _pack(number: int) -> int | bytes:
    return number if -_FITS <= number <= _FITS else number.to_bytes(40, "big", signed=True)


def _unpack(number: int | bytes) -> int:
    return number if isinstance(number, int) else int.from_bytes(number, "big", signed=True)
