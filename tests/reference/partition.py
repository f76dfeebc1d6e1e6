"""§1, §3, §5, §6: one partition of the log, record by record, and what comes out, in order, with its ids."""

from __future__ import annotations

import base64
import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import xxhash

from schemas.config import Config, config_hash
from schemas.partitioning import partition_for
from tests.reference.metric import Cause, Kept, Metric
from tests.reference.reading import Item, Reading, Refused, items, read, text_of, told_of


class Out(NamedTuple):
    """One output, its value as plain JSON types. The text of `detail` in dead letters is left empty."""

    topic: str
    key: bytes
    id: str
    ts: int
    value: dict[str, Any]


@dataclass
class Subject:
    """One subject: its time (ms; null before its first point), the ticks since its last accepted point, its metrics."""

    tenant: str
    name: str
    time: int | None = None
    final_to: int = 0  # windows that end at this instant (ms) or before are final, whatever the lateness becomes
    silence: int = 0
    metrics: dict[str, Metric] = field(default_factory=dict)


class Position(NamedTuple):
    """Where a record stands for ids and evidence: partition, offset for evidence, offset as ids write it."""

    partition: int
    offset: int
    written: str


class Reference:
    """The engine of one partition, as the law says it."""

    def __init__(self, config: Config, *, topic: str, partition: int = 0, partitions: int = 1, live: bool = True) -> None:
        self.config = config
        self.topic = topic
        self.partition = partition
        self.partitions = partitions
        self.live = live
        self.log_time = 0
        self.last_tick = -1
        self.subjects: dict[bytes, Subject] = {}
        self.forgotten: list[bytes] = []

    def points(
        self,
        offset: int,
        timestamp: int,
        value: bytes,
        encoding: str | None = None,
        origin: str | None = None,
    ) -> list[Out]:
        """A record of points: an object or an array of them."""
        self.log_time = max(self.log_time, timestamp)
        at = self._position(offset, origin)
        try:
            found = items(value, encoding)
        except Refused as refused:
            return [self._dead_letter(at, Item(0, value, None), refused.reason)]
        return self._apply_items(at, found, timestamp + self.config.time.max_skew)

    def lone(self, number: int, timestamp: int, item: Item, too_far: int) -> list[Out]:
        """A record of `evaluate`: one item; a `ts` past `too_far` is `from_the_future`."""
        self.log_time = max(self.log_time, timestamp)
        return self._apply_items(self._position(number, None), [item], too_far)

    def _apply_items(self, at: Position, found: list[Item], too_far: int) -> list[Out]:
        # a record that concerns several subjects is applied to them in ascending order of their keys' bytes
        groups: dict[bytes, list[Item]] = {}
        for item in found:
            groups.setdefault(self._key(item.content), []).append(item)
        outs: list[Out] = []
        for key in sorted(groups):
            dead: list[Out] = []
            told: list[Out] = []
            for item in groups[key]:
                try:
                    told += self._accept(at, item, key, self._admit(item, key, too_far))
                except Refused as refused:
                    dead.append(self._dead_letter(at, item, refused.reason))
                    self._count_refused(item, key)
            outs += dead + told
        return outs

    def tick(self, offset: int, timestamp: int, origin: str | None = None, written: str | None = None) -> list[Out]:
        """A tick: stands for the whole second at or before its record time; `written` is its offset in ids (`evaluate`)."""
        self.log_time = max(self.log_time, timestamp)
        second = timestamp // 1000
        if second <= self.last_tick:
            return []
        self.last_tick = second
        at = self._position(offset, origin)
        if written is not None:
            at = at._replace(written=written)
        outs: list[Out] = []
        for key in sorted(self.subjects):
            subject = self.subjects[key]
            subject.silence += 1
            if subject.silence > self._idle_after(key):
                outs += self._numbered(self._move(subject, second * 1000, at), at, 0, key)
            if subject.silence >= self.config.time.expire_after:
                del self.subjects[key]
                self.forgotten.append(key)
        return outs

    def configure(self, timestamp: int, config: Config) -> None:
        """A configuration marker: the configuration judges from here on; nothing comes out."""
        self.log_time = max(self.log_time, timestamp)
        self.config = config
        for subject in self.subjects.values():
            for metric in subject.metrics.values():
                metric.configure(config, subject.time)

    # admission

    def _admit(self, item: Item, key: bytes, too_far: int) -> Reading:
        reading = read(item.content, self.config)
        if key not in self.subjects and partition_for(key, self.partitions) != self.partition:
            raise Refused("wrong_partition")
        if reading.ts > too_far:
            raise Refused("from_the_future")
        if self.live and reading.ts < self.log_time - self.config.time.max_age:
            raise Refused("too_old")
        return reading

    def _count_refused(self, item: Item, key: bytes) -> None:
        subject = self.subjects.get(key)
        name = text_of(item.content, "metric")
        if subject is not None and name in subject.metrics:
            assert subject.time is not None
            subject.metrics[name].refused.append(subject.time)

    def _key(self, content: Any) -> bytes:
        tenant, subject = told_of(content, "tenant"), told_of(content, "subject")
        return b"" if tenant is None or subject is None else f"{tenant}/{subject}".encode()

    def _dead_letter(self, at: Position, item: Item, reason: str) -> Out:
        value = {
            "reason": reason,
            "detail": "",
            "tenant": told_of(item.content, "tenant"),
            "subject": told_of(item.content, "subject"),
            "metric": told_of(item.content, "metric"),
            "topic": self.topic,
            "partition": at.partition,
            "offset": at.offset,
            "index": item.place,
            "bytes": base64.b64encode(item.raw[:65536]).decode(),
        }
        identity = f"{at.partition}-{at.written}-{item.place}-0-dead"
        return Out("dead-letters", self._key(item.content), identity, self.log_time, value)

    # subject time and judging

    def _accept(self, at: Position, item: Item, key: bytes, reading: Reading) -> list[Out]:
        subject = self.subjects.setdefault(key, Subject(reading.tenant, reading.subject))
        subject.silence = 0
        return self._numbered(self._apply(subject, at, reading), at, item.place, key)

    def _apply(self, subject: Subject, at: Position, reading: Reading) -> Iterator[tuple[str, int, dict[str, Any]]]:
        late = subject.time is not None and reading.ts < max(subject.time - self.config.time.allowed_lateness, subject.final_to)
        if subject.time is None:
            subject.time = reading.ts
            subject.final_to = reading.ts // 1000 * 1000 - self.config.time.allowed_lateness
        else:
            yield from self._move(subject, reading.ts, at)
        if reading.metric not in subject.metrics:
            subject.metrics[reading.metric] = Metric(reading.metric)
            subject.metrics[reading.metric].configure(self.config)
        metric = subject.metrics[reading.metric]
        metric.points.append(Kept(at.offset, reading.ts, reading.value, late, subject.time))
        yield from self._judge(subject, metric, Cause(subject.time, True, at.partition, at.offset))

    def _move(self, subject: Subject, to: int, at: Position) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Subject time goes on to `to`, if that is ahead: every whole second on the way is judged, in order."""
        assert subject.time is not None
        second = subject.time // 1000 + 1
        while second * 1000 <= to:
            yield from self._judge_second(subject, Cause(second * 1000, False, at.partition, at.offset))
            second += 1
        subject.time = max(subject.time, to)

    def _judge_second(self, subject: Subject, cause: Cause) -> Iterator[tuple[str, int, dict[str, Any]]]:
        subject.final_to = max(subject.final_to, cause.time - self.config.time.allowed_lateness)
        configured = [name for name in self.config.metrics if name in subject.metrics]
        others = sorted(name for name in subject.metrics if name not in self.config.metrics)
        for size in self.config.windows:
            for name in configured + others:
                for window in subject.metrics[name].windows_due(size, cause.time, self.config.time.allowed_lateness):
                    yield "slo.windows", window["start"] + window["size_ms"], {**self._names(subject), **window}
        for name in configured:
            yield from self._judge(subject, subject.metrics[name], cause)

    def _judge(self, subject: Subject, metric: Metric, cause: Cause) -> Iterator[tuple[str, int, dict[str, Any]]]:
        if not metric.rungs:
            return  # no bound, no ladder, no status
        override = self._override(f"{subject.tenant}/{subject.name}")
        status = metric.judge(cause, override.missing_after if override else None)
        if status is not None:
            told = {**self._names(subject), **status, "config": config_hash(self.config)}
            told["evidence"] = {**status["evidence"], "topic": self.topic}
            yield "slo.status", cause.time, told

    # identity

    def _numbered(self, told: Iterator[tuple[str, int, dict[str, Any]]], at: Position, index: int, key: bytes) -> list[Out]:
        digits = f"{xxhash.xxh3_64_intdigest(key):016x}"
        return [
            Out(topic, key, f"{at.partition}-{at.written}-{index}-{n}-{digits}", ts, value) for n, (topic, ts, value) in enumerate(told)
        ]

    def _position(self, offset: int, origin: str | None) -> Position:
        partition, _, number = (origin or "").partition("-")
        if not (origin and origin.isascii() and partition.isdigit() and number.isdigit() and len(partition) < 10 and len(number) < 19):
            return Position(self.partition, offset, str(offset))
        return Position(int(partition), int(number), number)

    def _names(self, subject: Subject) -> dict[str, Any]:
        return {"tenant": subject.tenant, "subject": subject.name}

    def _override(self, key: str) -> Any:
        return next((entry for entry in self.config.subjects if fnmatch.fnmatchcase(key, entry.match)), None)

    def _idle_after(self, key: bytes) -> int:
        override = self._override(key.decode())
        return self.config.time.idle_after if override is None or override.idle_after is None else int(override.idle_after)
