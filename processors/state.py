"""A subject's state as bytes and back: what a checkpoint holds.

Plain nested arrays in MessagePack, with a format number in front; integers that do not fit 64 bits stand as bytes.
What can be derived (sums of rings, bands, what is calm) is not written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from processors.compiled import Compiled
from processors.series import Series, Status
from processors.subject import Subject
from processors.windows import Part, Second

FORMAT = 3

_LEAST, _GREATEST = -(1 << 63), (1 << 63) - 1

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
            [_series(series) for series in subject.series.values()],
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


def _series(series: Series) -> list[Any]:
    ring: list[list[Any]] | None = None
    if series.count:
        totals = series.ring_totals
        if max(totals) > _GREATEST or min(totals) < _LEAST:
            ring = [series.ring_counts, [_pack(total) for total in totals], series.ring_offsets]
        else:
            ring = [series.ring_counts, totals, series.ring_offsets]
    return [
        series.name,
        series.awake,
        None if series.status is None else _status(series.status),
        None if series.ladder is None else series.ladder.memory(),
        series.current,
        series.current_offset,
        [[at, kept.values, kept.last_ts, None if kept.part is None else _part(kept.part)] for at, kept in series.past.items()],
        [_part(part) if part.count else None for part in series.parts],
        ring,
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
    name, awake, status, rungs, current, current_offset, past, parts, ring, max_ts, run_value, run_count, run_ts, late, refused, *judged = (
        item
    )
    series = subject.add_series(name, compiled)
    series.status = None if status is None else Status(*status)
    if series.ladder is not None and rungs is not None:
        series.ladder.remember([tuple(rung) for rung in rungs])
    series.current = current
    series.current_offset = current_offset
    series.summed = len(current)
    for at, values, last_ts, part in past:
        kept = series.past[at] = Second(values, last_ts)
        kept.part = None if part is None else _load_part(part)
    series.parts = [Part() if part is None else _load_part(part) for part in parts]
    if ring is not None:
        counts, totals, series.ring_offsets = ring
        series.ring_counts, series.ring_totals = counts, [_unpack(total) for total in totals]
        series.count, series.total = sum(counts), sum(series.ring_totals)
        window = series.spec.window
        for at in range(subject.second - series.spec.fast_window + 1, subject.second + 1):
            series.fast_count += counts[at % window]
            series.fast_total += series.ring_totals[at % window]
    series.max_ts, series.run_value, series.run_count, series.run_ts = max_ts, run_value, run_count, run_ts
    series.late, series.refused = late, refused
    series.judged_count, series.judged_total = judged[0], _unpack(judged[1])
    if awake:
        subject.wake(series)


def _part(part: Part) -> list[Any]:
    return [part.count, _pack(part.total), _pack(part.squares), part.least, part.greatest, part.last, part.values, part.bins]


def _load_part(item: list[Any]) -> Part:
    part = Part()
    part.count, total, squares, part.least, part.greatest, part.last, part.values, part.bins = item
    part.total, part.squares = _unpack(total), _unpack(squares)
    return part


def _pack(number: int) -> int | bytes:
    return number if _LEAST <= number <= _GREATEST else number.to_bytes(40, "big", signed=True)


def _unpack(number: int | bytes) -> int:
    return number if isinstance(number, int) else int.from_bytes(number, "big", signed=True)
