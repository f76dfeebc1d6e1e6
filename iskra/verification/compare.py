"""Compares what the engine alone says with what stands on the output topics, id by id (semantics §7, "What is promised").

Once retention has cut the log's beginning, not everything can be recomputed: what is uncertain (`iskra.verification.cut`) is
counted apart and makes no difference, and outputs whose record is no longer kept are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec

from iskra.verification.cut import Cut, cause
from iskra.verification.reading import LogReader
from iskra.verification.recompute import Recomputation
from processors.engine import Record
from schemas.headers import headers_of
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
    `uncertain` are outputs that a cut log does not give, or gives otherwise, and that may rest on what it has lost.
    """

    namespace: str
    records: int = 0
    outputs: int = 0
    by_topic: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    rows: int = 0
    points: int = 0
    uncertain: int = 0
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
    `whole`: all that the log gives is in `allowed`, not only what a range of times asks for. `cut`: what of it is certain.
    """

    cut: Cut
    required: set[str] = field(default_factory=set)
    allowed: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    latest: dict[bytes, str | None] = field(default_factory=dict)
    possible: dict[bytes, set[str | None]] = field(default_factory=dict)
    end: int = 0
    whole: bool = True

    def sure(self, identity: str) -> bool:
        """Whether an output of this id must be as the log gives it."""
        return self.cut.sure(identity, self.end)


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
    _, end = log.ends(POINTS, partition)
    cut = recomputation.cut
    expected = _expect(log, partition, recomputation, (cut.start.offset, end, committed), report, progress, within)
    uncertain = report.uncertain
    found: dict[str, bytes] = {}
    begins: dict[str, int] = {}
    for topic in OUTPUT_TOPICS:
        low, high = ends[topic]
        if low > 0 and cut.start.offset > 0:
            begins[topic] = end  # retention cuts the outputs, too, and not at the same record
        for message in log.messages(topic, partition, low, high):
            headers = headers_of(message)
            if HEADER_BY in headers:
                continue
            identity = _text(headers.get(HEADER_ID, b""))
            if begins.get(topic) == end:
                begins[topic] = cause(identity) or 0
            if cut.gone(identity):
                continue
            value = message.value() or b""
            told = _text(value)
            if identity in found:
                report.duplicates += 1
                if found[identity] == value:
                    continue
                if not expected.sure(identity):  # whatever the log gives, it gives one thing
                    report.tell(Difference("differs", topic, partition, identity, _text(found[identity]), told))
                    continue
            found[identity] = value
            wanted = expected.allowed.get(identity)
            if wanted is None:
                if expected.whole:
                    _tell(expected, report, Difference("unexpected", topic, partition, identity, None, told))
            elif wanted != (topic, value):
                _tell(expected, report, Difference("differs", topic, partition, identity, _text(wanted[1]), told))
    for identity in expected.required - found.keys():
        topic, value = expected.allowed[identity]
        lost = Difference("lost", topic, partition, identity, _text(value), None)
        _tell(expected, report, lost, sure=(cause(identity) or 0) > begins.get(topic, -1))
    if within is None:
        _compare_current(log, partition, ends[CURRENT], expected, report)
    if cut.start.offset > 0:
        report.notes.append(_cut_note(partition, recomputation, report.uncertain - uncertain))
    return expected


def _tell(expected: Expected, report: Report, difference: Difference, *, sure: bool = True) -> None:
    """Tells a difference, if it is one; else it counts as uncertain, and ClickHouse is not asked for it either."""
    if sure and expected.cut.sure(difference.id, expected.end):
        report.tell(difference)
    else:
        report.uncertain += 1
        expected.required.discard(difference.id)


def _cut_note(partition: int, recomputation: Recomputation, uncertain: int) -> str:
    start = f"partition {partition}: {recomputation.cut.told()}"
    if recomputation.engine is None:
        return f"{start}, and neither a marker nor a checkpoint tells the configuration in force there: nothing is recomputed"
    return f"{start}: {uncertain:,} outputs are uncertain"


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
    expected = Expected(recomputation.cut, end=end, whole=within is None)
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
        last[message.key() or b""] = None if tombstone else _text(headers_of(message).get(HEADER_ID, b""))
    for key, possible in expected.possible.items():
        if last.get(key) not in possible:
            told = " or ".join(sorted(identity or "gone" for identity in possible))
            _tell_current(expected, report, key, Difference("stale", CURRENT, partition, _text(key), told, last.get(key)))
    for key in last.keys() - expected.possible.keys():
        identity = last[key]
        if identity is not None and not expected.cut.gone(identity):
            _tell_current(expected, report, key, Difference("unexpected", CURRENT, partition, _text(key), None, identity))


def _tell_current(expected: Expected, report: Report, key: bytes, difference: Difference) -> None:
    if expected.cut.sure_of(key.rpartition(b"/")[0]):
        report.tell(difference)
    else:
        report.uncertain += 1


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
