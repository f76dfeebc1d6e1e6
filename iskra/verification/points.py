"""Every acknowledged point exactly once: the points of the log counted against the view."""

from __future__ import annotations

import msgspec

from iskra.verification.compare import Difference, Expected, Report
from iskra.verification.reading import LogReader
from iskra.verification.store import STATELESS_REASONS, StoreReader
from schemas.points import TIMED_POINTS, BadPoint, split
from schemas.topics import DEAD_LETTERS


def count_points(log: LogReader, store: StoreReader, partition: int, expected: Expected, report: Report) -> None:
    """Compares the number of well-formed points that the log holds, as far as it is committed, with that in ClickHouse."""
    first = expected.cut.start.offset
    committed = log.committed(partition)
    wanted = sum(_items(record.value, record.encoding) for record in log.records(partition, first, committed) if record.kind is None)
    for topic, value in expected.allowed.values():
        if topic == DEAD_LETTERS:
            letter = msgspec.json.decode(value)
            if letter["reason"] in STATELESS_REASONS and letter["offset"] < committed:
                wanted -= 1
    found = store.await_points(partition, first, committed, wanted)
    report.points += found
    if found != wanted:
        kind = "lost" if found < wanted else "unexpected"
        report.tell(Difference(kind, "ClickHouse v_points", partition, f"offsets below {committed}", f"{wanted} points", f"{found} points"))


def _items(value: bytes, encoding: str | None) -> int:
    """How many items a record holds; one that cannot be read is one dead letter."""
    try:
        decoded = TIMED_POINTS.decode(value) if encoding is None else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = None
    if decoded is not None:
        number = len(decoded) if isinstance(decoded, list) else 1
        return number if number <= 10_000 else 1
    try:
        return len(split(value, encoding))
    except BadPoint:
        return 1
