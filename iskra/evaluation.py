"""The engine alone over points in the order in which they stand: makes the records and the ticks (semantics §1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from processors.admission import check
from processors.compiled import Compiled
from processors.engine import Output, PartitionEngine
from schemas.config import Config
from schemas.points import BadPoint, split
from schemas.topics import LIVE_NAMESPACE, POINTS, full_name


def evaluate(
    messages: Iterable[bytes], config: Config, *, drain_ms: int = 66_000, max_jump_ms: int = 30 * 86_400_000
) -> Iterator[list[Output]]:
    """Every output of the engine for `messages` (each a JSON point or array), in order.

    Each point, also each item of an array, is a record of its own, numbered from 0; its record time is the greatest
    `ts` accepted so far. Tick T comes after every record whose time is ≤ T and before the first that is past it;
    ticks run on to the last record time + `drain_ms`. A point more than `max_jump_ms` ahead of the record time is refused.

    Yields:
        The outputs of one record or tick, where it has any.
    """
    engine = PartitionEngine(config, topic=full_name(LIVE_NAMESPACE, POINTS), partition=0, partitions=1, live=False)
    compiled = Compiled(config)
    number = 0
    time = -1  # record time, ms; -1: no point accepted yet
    for message in messages:
        for raw in _items(message):
            refusal: BadPoint | None = None
            if raw is not message and raw[:1] == b"[":
                refusal = BadPoint("invalid", "expected an object, got an array in an array")
            ts = _acceptable_ts(raw, compiled) if refusal is None else None
            if ts is not None and 0 <= time < ts - max_jump_ms:
                jump = ts - time
                refusal = BadPoint(
                    "from_the_future", f"ts: {ts} is {jump} ms ahead of the points before it, more than --max-jump {max_jump_ms} ms"
                )
            elif ts is not None and ts > time:
                if time < 0:
                    engine.last_tick = -(-ts // 1000) - 1
                else:
                    yield from _ticks(engine, -(-ts // 1000) - 1)
                time = ts
            outputs = engine.points(number, max(time, 0), raw) if refusal is None else engine.refuse(number, max(time, 0), raw, refusal)
            if outputs:
                yield outputs
            number += 1
    if time >= 0:
        yield from _ticks(engine, (time + drain_ms) // 1000)


def _ticks(engine: PartitionEngine, last: int) -> Iterator[list[Output]]:
    """The ticks up to the second `last`; those that change nothing are passed over."""
    second = engine.skip_ticks(last)
    while second <= last:
        outputs = engine.tick(engine.position, second * 1000, label=f"T{second}")
        if outputs:
            yield outputs
        second = engine.skip_ticks(last)


def _items(message: bytes) -> list[bytes]:
    try:
        return [raw for raw, _, _ in split(message)] if message[:1] == b"[" else [message]
    except BadPoint:
        return [message]


def _acceptable_ts(raw: bytes, compiled: Compiled) -> int | None:
    """The `ts` of an item that the engine will accept; None: it will not, whatever the time."""
    try:
        point = split(raw)[0][1]
        return None if isinstance(point, BadPoint) else check(point, compiled)
    except (BadPoint, IndexError, msgspec.DecodeError):
        return None
