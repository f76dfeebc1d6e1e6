"""§1, `evaluate`: a file of points, each item a record of its own, ticks made from the points' own times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.config import Config
from tests.reference.partition import Out, Reference
from tests.reference.reading import Item, Refused, items, read


def evaluate(config: Config, lines: Iterable[bytes], *, topic: str, drain: int = 66_000, max_jump: int = 30 * 86_400_000) -> list[Out]:
    """The outputs of `iskra evaluate` over the lines of a file (times in ms)."""
    reference = Reference(config, topic=topic, live=False)
    outs: list[Out] = []
    number = -1
    time: int | None = None
    for item in _records(lines):
        number += 1
        too_far = 2**63 if time is None else time + max_jump
        ts = _ts(item, config)
        if ts is not None and ts <= too_far:
            now = ts if time is None else max(time, ts)
            if time is not None:
                outs += _ticks(reference, time, now - 1, number - 1)
            time = now
        outs += reference.lone(number, time or 0, item, too_far)
    if time is not None:
        outs += _ticks(reference, time, time + drain, number)
    return outs


def _records(lines: Iterable[bytes]) -> Iterator[Item]:
    for line in lines:
        text = line.strip()
        if not text:
            continue
        try:
            yield from (item._replace(place=0) for item in items(text, None))
        except Refused as refused:
            # what cannot be read is one record, too
            yield Item(0, text, refused)


def _ts(item: Item, config: Config) -> int | None:
    try:
        return read(item.content, config).ts
    except Refused:
        return None


def _ticks(reference: Reference, start: int, end: int, number: int) -> Iterator[Out]:
    """The ticks of the whole seconds in [start, end] that were not made yet; `number` is the last record before them."""
    for second in range(max(-(-start // 1000), reference.last_tick + 1), end // 1000 + 1):
        yield from reference.tick(number, second * 1000, written=f"T{second}")
