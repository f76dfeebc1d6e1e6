"""Compares what the engine alone says with what stands on the output topics, id by id (semantics §7, "What is promised")."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from iskra.verification.reading import LogReader
from iskra.verification.recompute import Recomputation
from processors.engine import Record
from schemas.outputs import SloStatus
from schemas.topics import (
    ACTIONS,
    ALERTS,
    BUDGET,
    CURRENT,
    DEAD_LETTERS,
    ESCALATIONS,
    HEADER_BY,
    HEADER_ID,
    POINTS,
    SIGNALS,
    STATUS,
    VOICES,
    WINDOWS,
)
from streams.recovery import headers_of

OUTPUT_TOPICS = (WINDOWS, STATUS, BUDGET, SIGNALS, VOICES, ALERTS, ACTIONS, ESCALATIONS, DEAD_LETTERS)
"""What the engine says. Records of others on them (header `by`: the notifier's ledger) are not judged."""
MOST_TOLD = 20
"""So many differences are told in full; all are counted."""


class Difference(msgspec.Struct, frozen=True):
    """One id (or key) that is not as it must be: `lost`, `differs`, `unexpected`, or `stale` (`slo.current`)."""

    kind: str
    topic: str
    partition: int
    id: str
    expected: str | None
    found: str | None


@dataclass
class Report:
    """What was compared: `records` of the log, `outputs` that had to stand, `rows` and `points` in ClickHouse.

    `duplicates` stand on the topics more than once, with the same id and the same bytes, which harms nobody.
    """

    namespace: str
    records: int = 0
    outputs: int = 0
    by_topic: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    rows: int = 0
    points: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def match(self) -> bool:
        """Whether nothing differs."""
        return self.differing == 0

    def tell(self, difference: Difference) -> None:
        """Counts a difference, and keeps the first few."""
        self.differing += 1
        if len(self.differences) < MOST_TOLD:
            self.differences.append(difference)


@dataclass
class Expected:
    """The engine's outputs of one partition.

    `required`: ids whose outputs must stand, as the worker has committed past them; `allowed`: all; both as id →
    (topic, bytes). `end` is the end of the log when it was read: what later records caused is not judged.
    `latest` and `possible`: of each `tenant/subject/metric` the id that `slo.current` must end with, and those that it may.
    `whole`: all that the log gives is in `allowed`, not only what a range of times asks for.
    """

    required: set[str] = field(default_factory=set)
    allowed: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    latest: dict[bytes, str | None] = field(default_factory=dict)
    possible: dict[bytes, set[str | None]] = field(default_factory=dict)
    end: int = 0
    whole: bool = True


@dataclass(frozen=True)
class Range:
    """Record times (ms) whose outputs are compared; the engine always starts at the beginning of the log."""

    start: int
    end: int


def compare_partition(
    log: LogReader,
    partition: int,
    recomputation: Recomputation,
    report: Report,
    progress: Callable[[int], None],
    within: Range | None = None,
) -> Expected:
    """Compares one partition and notes what differs in `report`.

    The order of looking makes it right while the worker runs: first what is committed (its outputs must stand), then
    the ends of the outputs (all that is read must be allowed), then the end of the log.
    """
    committed = log.committed(partition)
    ends = {topic: log.ends(topic, partition) for topic in (*OUTPUT_TOPICS, CURRENT)}
    first, end = log.ends(POINTS, partition)
    if first > 0:
        report.notes.append(f"partition {partition}: the log begins at offset {first}; what depends on older records cannot be recomputed")
    expected = _expect(log, partition, recomputation, (first, end, committed), report, progress, within)
    found: dict[str, bytes] = {}
    for topic in OUTPUT_TOPICS:
        low, high = ends[topic]
        for message in log.messages(topic, partition, low, high):
            headers = headers_of(message)
            if HEADER_BY in headers:
                continue
            identity = headers.get(HEADER_ID, b"").decode()
            value = message.value() or b""
            if identity in found:
                report.duplicates += 1
                if found[identity] == value:
                    continue
            found[identity] = value
            wanted = expected.allowed.get(identity)
            if wanted is None:
                if expected.whole:
                    report.tell(Difference("unexpected", topic, partition, identity, None, value.decode("utf-8", "replace")))
            elif wanted != (topic, value):
                report.tell(
                    Difference(
                        "differs", topic, partition, identity, wanted[1].decode("utf-8", "replace"), value.decode("utf-8", "replace")
                    )
                )
    for identity in expected.required - found.keys():
        topic, value = expected.allowed[identity]
        report.tell(Difference("lost", topic, partition, identity, value.decode("utf-8", "replace"), None))
    if within is None:
        _compare_current(log, partition, ends[CURRENT], expected, report)
    return expected


def _expect(
    log: LogReader,
    partition: int,
    recomputation: Recomputation,
    bounds: tuple[int, int, int],
    report: Report,
    progress: Callable[[int], None],
    within: Range | None,
) -> Expected:
    first, end, committed = bounds
    expected = Expected(end=end, whole=within is None)
    times: dict[int, int] = {}

    def counted() -> Iterator[Record]:
        for number, record in enumerate(log.records(partition, first, end)):
            times[0] = record.timestamp
            if number % 10_000 == 0:
                progress(number)
            report.records += 1
            yield record

    for offset, outputs, forgotten in recomputation.outputs(counted()):
        must = offset < committed
        if within is not None and not within.start <= times[0] < within.end:
            continue
        for output in outputs:
            expected.allowed[output.id] = (output.topic, msgspec.json.encode(output.value))
            if must:
                expected.required.add(output.id)
                report.outputs += 1
                report.by_topic[output.topic] = report.by_topic.get(output.topic, 0) + 1
            if isinstance(output.value, SloStatus):
                key = output.key + b"/" + output.value.metric.encode()
                _expect_current(expected, key, output.id, must)
        for gone in forgotten:
            for key in [key for key in expected.latest if key.rpartition(b"/")[0] == gone]:
                _expect_current(expected, key, None, must)
    return expected


def _expect_current(expected: Expected, key: bytes, identity: str | None, must: bool) -> None:
    if must:
        expected.latest[key] = identity
        expected.possible[key] = {identity}
    else:
        expected.possible.setdefault(key, {None}).add(identity)


def _compare_current(log: LogReader, partition: int, ends: tuple[int, int], expected: Expected, report: Report) -> None:
    """The last record of each key on `slo.current` is its latest status, or a tombstone of a forgotten subject."""
    last: dict[bytes, str | None] = {}
    for message in log.messages(CURRENT, partition, *ends):
        tombstone = message.value() is None
        last[message.key() or b""] = None if tombstone else headers_of(message).get(HEADER_ID, b"").decode()
    for key, possible in expected.possible.items():
        if last.get(key) not in possible:
            told = sorted(identity or "gone" for identity in possible)
            report.tell(Difference("stale", CURRENT, partition, key.decode("utf-8", "replace"), " or ".join(told), last.get(key)))
    for key in last.keys() - expected.possible.keys():
        if last[key] is not None:
            report.tell(Difference("unexpected", CURRENT, partition, key.decode("utf-8", "replace"), None, last[key]))
