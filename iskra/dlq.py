"""Dead letters: finding them, and publishing their points again.

What was refused stands on `dead-letters` with its bytes. After a fix (of a producer, a configuration, or Iskra itself) the
point is published again as a *new* record with the header `redrive` = id of the letter: the log only grows, verdicts
that were given stay. The points topic itself is the record of what was published again: before a letter's point is, the topic
is looked through, from the letter's time on, for that header. So a second call, from wherever, publishes nothing
twice, and there is no list beside the log that could disagree with it.
"""

from __future__ import annotations

import base64
import heapq
import time
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka import Producer as KafkaProducer

from iskra.client import DeadLetter, Message, NotAcknowledged, Unreachable
from iskra.client.kafka import ANSWER_S, CLIENT_SETTINGS, READING, end_time, hand_over, partition_count, patiently
from iskra.operations import messages
from schemas.headers import headers_of
from schemas.partitioning import partition_for, subject_key
from schemas.points import BadPoint, Point, split
from schemas.topics import DEAD_LETTERS, HEADER_ENCODING, HEADER_KIND, HEADER_REDRIVE, LIVE_NAMESPACE, MAX_MESSAGE_BYTES, POINTS, full_name

TOLD_BYTES = 65_536
"""A letter carries at most so many bytes of its item; longer ones are read again from the log."""
_SEND_TIMEOUT_S = 30.0
"""For the acknowledgements; a broker that was killed is back within 8 s."""
_MSGPACK_FROM = 0x80
"""No JSON begins with such a byte, and every map or array of msgpack does."""


class Letter(msgspec.Struct, frozen=True):
    """A dead letter with its id, and when it was refused (record time, epoch ms)."""

    id: str
    ts: int
    letter: DeadLetter

    @property
    def raw(self) -> bytes:
        """The bytes that were refused, the first 64 KiB of them."""
        return base64.b64decode(self.letter.bytes)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which letters: all that fit every field that is set; `since` is epoch ms."""

    ids: frozenset[str] | None = None
    reason: str | None = None
    tenant: str | None = None
    subject: str | None = None
    since: int | None = None

    def fits(self, found: Letter) -> bool:
        """Whether a letter is wanted."""
        letter = found.letter
        return (
            (self.ids is None or found.id in self.ids)
            and (self.reason is None or letter.reason == self.reason)
            and (self.tenant is None or letter.tenant == self.tenant)
            and (self.subject is None or letter.subject == self.subject)
            and (self.since is None or found.ts >= self.since)
        )


class Redriven(msgspec.Struct, frozen=True):
    """What was done about one letter.

    `outcome`: `published`, `would publish` (dry run), `published before`, or `cannot` (`detail` says why).
    """

    id: str
    reason: str
    outcome: str
    detail: str


def letters(kafka: str, namespace: str, wanted: Wanted, limit: int | None = None) -> list[Letter]:
    """The letters that are wanted, oldest first; of more than `limit` the latest.

    Raises:
        iskra.client.ClientError: the broker does not answer, or lacks the topic.
    """
    read = messages(kafka, namespace, DEAD_LETTERS)
    found = (letter for message in read if (letter := _letter(message)) is not None and wanted.fits(letter))
    if limit is None:
        return sorted(found, key=_age)
    return heapq.nlargest(limit, found, key=_age)[::-1]  # of a topic of any length only so many are held


def _age(letter: Letter) -> tuple[int, str]:
    return letter.ts, letter.id


def _letter(message: Message) -> Letter | None:
    return Letter(message.id, message.ts, message.value) if isinstance(message.value, DeadLetter) else None


class Redriver:
    """Publishes letters' points again. Use as a context manager.

    Raises:
        iskra.client.ClientError: the broker does not answer, or lacks the topic.
    """

    def __init__(self, kafka: str, namespace: str) -> None:
        self._topic = full_name(namespace, POINTS)
        # where the driver gives the times, a new record must not stand before the end of the log
        self._own_time = namespace != LIVE_NAMESPACE
        settings = {**CLIENT_SETTINGS, "bootstrap.servers": kafka, "log_level": 2}
        # it reads to ends that it has asked for: a fetch that waits for more there is only in the next one's way
        quick = {"fetch.queue.backoff.ms": 2, "fetch.wait.max.ms": 10}
        self._consumer = KafkaConsumer({**settings, **quick, **READING})
        self._producer = KafkaProducer({**settings, "acks": "all", "enable.idempotence": True, "message.max.bytes": MAX_MESSAGE_BYTES})
        self._partitions = partition_count(self._consumer, self._topic, kafka, 10.0)

    def __enter__(self) -> Redriver:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def redriven(self, wanted: Collection[Letter]) -> set[str]:
        """The ids among the letters whose point was published again before: the log is looked through from the first letter's time on."""
        if not wanted:
            return set()
        ids = {letter.id for letter in wanted}
        places = [TopicPartition(self._topic, p, min(letter.ts for letter in wanted)) for p in range(self._partitions)]
        places = patiently(lambda left: self._consumer.offsets_for_times(places, timeout=left), ANSWER_S)
        found: set[str] = set()
        for record in self._records(place for place in places if place.offset >= 0):
            mark = headers_of(record).get(HEADER_REDRIVE, b"").decode("utf-8", "replace")
            if mark in ids:
                found.add(mark)
        return found

    def redrive(self, wanted: Collection[Letter], *, dry_run: bool = False, again: bool = False) -> list[Redriven]:
        """Publishes the letters' points, each once, in the order given; blocks until they are acknowledged.

        Args:
            dry_run: only says what would be done. again: also those that were published before.
        Raises:
            NotAcknowledged: the broker did not take all of them; a second call goes on with the rest.
        """
        before = set() if again else self.redriven(wanted)
        done: list[Redriven] = []
        failed: list[str] = []

        def delivered(error: KafkaError | None, _message: Any) -> None:
            if error is not None:
                failed.append(error.str())

        for letter in wanted:
            reason = letter.letter.reason
            if letter.id in before:
                done.append(Redriven(letter.id, reason, "published before", "its point stands in the log already"))
                continue
            try:
                raw = self._bytes(letter)
            except LookupError as error:
                done.append(Redriven(letter.id, reason, "cannot", str(error)))
                continue
            key, partition = self._place(raw, letter)
            where = f"as a new record of partition {partition}"
            done.append(Redriven(letter.id, reason, "would publish" if dry_run else "published", where))
            if not dry_run:
                headers: dict[str, str | bytes | None] = {HEADER_REDRIVE: letter.id.encode()}
                if raw[0] >= _MSGPACK_FROM:
                    headers[HEADER_ENCODING] = b"msgpack"
                # not before its letter: there a second call looks for it
                timestamp = max(end_time(self._consumer, TopicPartition(self._topic, partition)), letter.ts) if self._own_time else 0
                hand_over(self._producer, self._topic, raw, key, partition, delivered, timestamp=timestamp, headers=headers)
        left = self._producer.flush(_SEND_TIMEOUT_S)
        if left or failed:
            reasons = sorted(set(failed)) or [f"{left} records without an answer"]
            self._producer.purge()  # what is told as not acknowledged is not published behind the caller's back
            raise NotAcknowledged([], reasons, pending=False)
        return done

    def _bytes(self, letter: Letter) -> bytes:
        """The item to publish.

        Raises:
            LookupError: there is none; the text says why.
        """
        told = letter.letter
        raw = letter.raw
        if not raw and told.reason == "engine_error" and told.subject is not None:
            return self._point_since(told)
        if not raw:
            raise LookupError("the record was empty: there is nothing to publish")
        if len(raw) < TOLD_BYTES:
            return raw
        if told.partition < 0:
            raise LookupError(f"it never stood in the log, and the letter holds only its first {TOLD_BYTES} bytes: send it once more")
        for record in self._records([TopicPartition(self._topic, told.partition, told.offset)], count=1):
            if record.offset() == told.offset:
                return _item(record, told.index)
        raise LookupError(f"the letter holds only the first {TOLD_BYTES} bytes, and the record is no longer in the log")

    def _point_since(self, told: DeadLetter) -> bytes:
        """The subject's latest point behind a defect that came at a tick: the worker has left it alone, so it counts nowhere yet."""
        latest: bytes | None = None
        for record in self._records([TopicPartition(self._topic, told.partition, told.offset + 1)]):
            headers = headers_of(record)
            if HEADER_KIND in headers:
                continue
            try:
                items = split(record.value() or b"", _text(headers.get(HEADER_ENCODING)))
            except BadPoint:
                continue
            for raw, point, _ in items:
                if isinstance(point, Point) and (point.tenant, point.subject) == (told.tenant, told.subject):
                    latest = raw
        if latest is None:
            raise LookupError("the defect came at a tick, and no point of the subject has come since: publish one, then redrive again")
        return latest

    def _place(self, raw: bytes, letter: Letter) -> tuple[bytes | None, int]:
        """Key and partition: the subject's, where the item tells it; else where it stood (what came by HTTP, nowhere: the first)."""
        stood = max(letter.letter.partition, 0)
        try:
            [(_, point, _)] = split(raw, "msgpack" if raw[0] >= _MSGPACK_FROM else None)
        except (BadPoint, ValueError):
            return None, stood
        if not isinstance(point, Point):
            return None, stood
        key = subject_key(point.tenant, point.subject)
        return key, partition_for(key, self._partitions)

    def _watermarks(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        found: tuple[int, int] = self._consumer.get_watermark_offsets(place, timeout=timeout)
        return found

    def _records(self, places: Iterable[TopicPartition], count: int | None = None) -> Iterator[Any]:
        """Records from the places to what is the end now; `count`: that many at the most.

        Raises:
            Unreachable: the broker stopped answering.
        """
        assigned: list[TopicPartition] = []
        ends: dict[int, int] = {}
        for place in places:
            low, high = patiently(lambda left, place=place: self._watermarks(place, left), ANSWER_S)  # type: ignore[misc]
            place.offset = max(place.offset, low)
            if place.offset < high:
                assigned.append(place)
                ends[place.partition] = high
        self._consumer.assign(assigned)
        quiet_since = time.monotonic()
        given = 0
        while ends and (count is None or given < count):
            first = self._consumer.poll(0.5)
            if first is None:
                if time.monotonic() - quiet_since > ANSWER_S:
                    raise Unreachable(f"the broker did not deliver {self._topic} within {ANSWER_S:g} s")
                continue
            quiet_since = time.monotonic()
            for record in (first, *self._consumer.consume(1000, 0)):
                end, error = ends.get(record.partition() or 0), record.error()
                if error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's name for it
                    ends.pop(record.partition() or 0, None)
                if error is not None or end is None:
                    continue
                offset = record.offset() or 0
                if offset + 1 >= end:
                    del ends[record.partition() or 0]
                if offset < end:
                    given += 1
                    yield record


def _item(record: Any, index: int) -> bytes:
    encoding = _text(headers_of(record).get(HEADER_ENCODING))
    try:
        return split(record.value() or b"", encoding)[index][0]
    except (BadPoint, IndexError):
        value: bytes = record.value() or b""
        return value


def _text(header: Any) -> str | None:
    return header.decode("ascii", "replace") if isinstance(header, bytes) else None
