"""The consumer: typed records of any topic, ticks skipped, what was seen dropped."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # its own documentation imports them from here

from iskra.client.errors import ClientError, Unreachable, Unreadable
from iskra.client.kafka import ANSWER_S, CLIENT_SETTINGS, partition_count, patiently
from iskra.client.message import Message, Value, decode
from iskra.client.seen import SeenByKey, SeenByPosition
from schemas.config import from_json
from schemas.headers import headers_of
from schemas.messages import MESSAGES
from schemas.points import POINTS as POINTS_JSON
from schemas.points import POINTS_MSGPACK, BadPoint, Point, split
from schemas.topics import (
    CONFIG,
    CURRENT,
    HEADER_BY,
    HEADER_ENCODING,
    HEADER_ID,
    HEADER_KIND,
    LIVE_NAMESPACE,
    POINTS,
    UNCOMMITTED,
    full_name,
)

Start = Literal["beginning", "end"] | int | dt.datetime
"""Where to begin: the beginning or the end of the topics, or the first record at or after a time (epoch ms, or aware datetime)."""

_FETCH = 1000
_END_OF_PARTITION = KafkaError._PARTITION_EOF  # noqa: SLF001 - the library's own name for its local error codes
_EARLIEST, _LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
_AWAY = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001
_Entry = tuple["Message | ClientError | None", TopicPartition | None]
_log = logging.getLogger("iskra.client")


class Consumer:
    """Reads topics as typed messages. Not thread-safe. Iterating blocks for more, unless `until_end`.

    Outputs that were seen are dropped, exactly, by their ids (`iskra.client.seen` says how), counted from where this
    consumer began. Points are never dropped: equal points count each. On the points topic ticks and other kinds are
    skipped, and so are items that cannot be read (they stand in `dead-letters`; `unreadable` counts them).

    Args:
        kafka: bootstrap address.
        topics: short names: `metrics.points`, `slo.windows`, `slo.status`, `slo.current`, `dead-letters`, `config`.
        namespace: prefix of the topics' names.
        start: where to begin; in a group only where the group has committed nothing ("beginning" or "end").
        until_end: iteration ends at what was the end when the consumer was made.
        group: read as a member of this consumer group; partitions are shared out, `commit` keeps the place. After a
            restart in a group, what was handed out after the last commit comes again (its ids say so).
        skip_unreadable: what does not fit its schema is counted in `unreadable` instead of raised.
        connect_timeout: how long the first answer of a broker may take, s.
    Raises:
        Unreachable: no broker answered in time. UnknownTopic: the broker lacks one of the topics.
        ValueError: a topic that is not for reading, a time without a zone, or options that exclude each other.
    """

    def __init__(
        self,
        kafka: str,
        topics: str | Sequence[str],
        *,
        namespace: str = LIVE_NAMESPACE,
        start: Start = "beginning",
        until_end: bool = False,
        group: str | None = None,
        skip_unreadable: bool = False,
        connect_timeout: float = 10.0,
    ) -> None:
        names = [topics] if isinstance(topics, str) else list(topics)
        readable = (POINTS, CONFIG, *MESSAGES)
        for name in names:
            if name not in readable:
                raise ValueError(f"topics: expected some of {', '.join(readable)}, got {name!r}")
        if group is not None and (until_end or start not in ("beginning", "end")):
            raise ValueError("group: a group begins at 'beginning' or 'end' and never ends by itself")
        self._bootstrap = kafka
        self._admin: AdminClient | None = None
        self._short = {full_name(namespace, name): name for name in names}
        self._kafka = KafkaConsumer(
            {
                **CLIENT_SETTINGS,
                **UNCOMMITTED,
                "bootstrap.servers": kafka,
                "group.id": group or "iskra-reader",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "latest" if start == "end" else "earliest",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 2,
                "fetch.wait.max.ms": 100,
            },
            logger=_log,
        )
        self.unreadable = 0
        """Items of the points topic, and with `skip_unreadable` records of others, that could not be read, so far."""
        self._skips = skip_unreadable
        # beside each message, in a group, the place from which to read after it; a skipped record is a place alone
        self._ready: deque[_Entry] = deque()
        self._places: dict[tuple[str, int], TopicPartition] = {}
        self._gone: set[tuple[str, int]] = set()
        self._grouped = group is not None
        self._by_position = SeenByPosition()
        self._by_key = SeenByKey()
        self._ends: dict[tuple[str, int], int] = {}
        self._next: dict[tuple[str, int], int] = {}
        self._bounded = until_end
        self._closed = False
        try:
            counts = {topic: partition_count(self._kafka, topic, kafka, connect_timeout) for topic in self._short}
            if group is None:
                self._assign(counts, start)
            else:
                self._kafka.subscribe(list(self._short), on_revoke=self._revoked)
        except BaseException:
            self._kafka.close()
            raise

    def poll(self, timeout: float = 1.0) -> Message | None:
        """The next message; None: there was none within `timeout` seconds, or the end is reached (`at_end`).

        Raises:
            Unreadable: a message that does not fit its schema; the next call goes on behind it.
            ClientError: the broker refuses (authorisation, unknown topic).
        """
        deadline = time.monotonic() + timeout
        asked = False
        while True:
            while self._ready:
                message, place = self._ready.popleft()
                if place is not None:
                    self._places[place.topic, place.partition] = place
                if isinstance(message, ClientError):
                    raise message
                if message is not None:
                    return message
            left = deadline - time.monotonic()
            # asked at least once: without time, too, it takes what is there, and a member of a group joins by being asked
            if self.at_end or (left < 0 and asked):
                return None
            asked = True
            first = self._kafka.poll(max(left, 0.0))
            if first is not None:
                self._gone.clear()
                others = self._kafka.consume(_FETCH, 0)
                if (first.topic(), first.partition()) not in self._gone:
                    self._take(first)
                for record in others:
                    self._take(record)

    @property
    def at_end(self) -> bool:
        """Whether an `until_end` consumer has handed out everything."""
        return self._bounded and not self._ends and not self._ready

    def __iter__(self) -> Iterator[Message]:
        """Messages as they come; ends only where `until_end` was asked for."""
        while not self.at_end:
            message = self.poll(1.0)
            if message is not None:
                yield message

    def read_to_end(self, timeout: float = ANSWER_S) -> Iterator[Message]:
        """Messages up to what is the end of the topics now; blocks only for those.

        Args:
            timeout: s, for all of them.
        Raises:
            RuntimeError: a member of a group has no end of its own.
            Unreachable: the broker did not deliver in time; Unreadable: as `poll`.
        """
        if self._grouped:
            raise RuntimeError("read_to_end needs a consumer without a group")
        deadline = time.monotonic() + timeout
        ends = patiently(lambda left: self._offsets(_LATEST, left), timeout)
        while self._ready or any(self._next[where] < end for where, end in ends.items()):
            message = self.poll(min(0.1, max(deadline - time.monotonic(), 0)))
            if message is not None:
                yield message
            elif time.monotonic() >= deadline:
                raise Unreachable(f"the broker did not deliver what it holds within {timeout:g} s")

    def commit(self) -> None:
        """Keeps the group's place behind the last message handed out (whole records: an array counts when its last point is out).

        Raises:
            RuntimeError: not a member of a group.
            Unreachable: the broker did not take it.
        """
        if not self._grouped:
            raise RuntimeError("commit needs a consumer with group=…")
        if self._places:
            try:
                taken = self._kafka.commit(offsets=list(self._places.values()), asynchronous=False)
            except KafkaException as error:
                raise Unreachable(f"the commit was not taken: {error.args[0].str()}") from error
            for place in taken or ():
                if place.error is None:
                    self._places.pop((place.topic, place.partition), None)

    def close(self) -> None:
        """Leaves; nothing is committed by itself."""
        if not self._closed:
            self._closed = True
            self._kafka.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _assign(self, counts: dict[str, int], start: Start) -> None:
        """Takes all partitions from `start`, and notes their present ends."""
        places = [TopicPartition(topic, partition) for topic, count in counts.items() for partition in range(count)]
        if isinstance(start, str):
            for place in places:
                place.offset = OFFSET_END if start == "end" else OFFSET_BEGINNING
        else:
            for place in places:
                place.offset = _epoch_ms(start)
        if not isinstance(start, str):
            asked = places
            places = patiently(lambda left: self._kafka.offsets_for_times(asked, timeout=left), ANSWER_S)
        self._next = {(place.topic, place.partition): 0 for place in places}
        lows = patiently(lambda left: self._offsets(_EARLIEST, left), ANSWER_S)
        highs = patiently(lambda left: self._offsets(_LATEST, left), ANSWER_S)
        for place in places:
            low, high = lows[place.topic, place.partition], highs[place.topic, place.partition]
            if place.offset == OFFSET_END or (place.offset < 0 and place.offset != OFFSET_BEGINNING):
                place.offset = high  # the number, not the word: what comes from now on is not to be missed
            first = low if place.offset == OFFSET_BEGINNING else place.offset
            self._next[place.topic, place.partition] = min(first, high)
            if self._bounded and first < high:
                self._ends[place.topic, place.partition] = high
        self._kafka.assign(places)

    def _offsets(self, what: OffsetSpec, timeout: float) -> dict[tuple[str, int], int]:
        """Earliest or latest offsets of the partitions in `_next`, in one request; on a connection of its own, where no
        fetch that waits for records is in its way.
        """
        if self._admin is None:
            self._admin = AdminClient({**CLIENT_SETTINGS, "bootstrap.servers": self._bootstrap}, logger=_log)
        answers = self._admin.list_offsets({TopicPartition(*where): what for where in self._next}, request_timeout=max(timeout, 0.1))
        try:
            return {(place.topic, place.partition): answer.result().offset for place, answer in answers.items()}
        except KafkaException:
            # it keeps the leaders that it knew, with their epochs, whatever has become of them: the next try asks anew
            self._admin = None
            raise

    def _revoked(self, _consumer: Any, places: list[TopicPartition]) -> None:
        """Partitions go to another member: what of them was not handed out is the other's."""
        gone = {(place.topic, place.partition) for place in places}
        self._gone |= gone
        self._ready = deque(entry for entry in self._ready if entry[1] is None or (entry[1].topic, entry[1].partition) not in gone)
        for where in gone:
            self._places.pop(where, None)

    def _take(self, record: Any) -> None:
        """Reads one record into `_ready`."""
        error: KafkaError | None = record.error()
        if error is not None:
            if error.code() == _END_OF_PARTITION:
                # the last records of a partition may be a transaction's marks, which nobody is given
                self._ends.pop((record.topic(), record.partition()), None)
                self._next[record.topic(), record.partition()] = record.offset()
            elif error.retriable() or error.code() in _AWAY:
                _log.warning("reading goes on: %s", error.str())
            else:
                # raised in its turn, as below: records stand behind it in the same batch
                self._ready.append((ClientError(f"{record.topic() or 'Kafka'}: {error.str()}"), None))
            return
        where = (record.topic(), record.partition())
        self._next[where] = record.offset() + 1
        if self._bounded:
            end = self._ends.get(where, 0)
            if record.offset() + 1 >= end:
                self._ends.pop(where, None)
            if record.offset() >= end:
                return
        messages: list[Message | ClientError]
        try:
            messages = [*self._read(record, self._short[record.topic()])]
        except Unreadable as unreadable:
            self.unreadable += int(self._skips)
            # raised in its turn: those before it come first, those after it are not lost
            messages = [] if self._skips else [unreadable]
        # the place of all but the last message of a record is that of the record itself: it comes again whole
        here, behind = (TopicPartition(*where, record.offset() + n) if self._grouped else None for n in (0, 1))
        self._ready.extend((message, here) for message in messages[:-1])
        if messages or behind is not None:
            self._ready.append((messages[-1] if messages else None, behind))

    def _read(self, record: Any, topic: str) -> list[Message]:
        headers = headers_of(record)
        key: bytes = record.key() or b""
        common = {
            "topic": topic,
            "partition": record.partition(),
            "offset": record.offset(),
            "key": key.decode("utf-8", "replace"),
            "ts": record.timestamp()[1],
            "headers": headers,
        }
        if topic == POINTS:
            if HEADER_KIND in headers:
                return []
            prefix = f"{record.partition()}-{record.offset()}"
            points = self._points(record.value() or b"", headers)
            return [Message(**common, index=index, id=f"{prefix}-{index}", value=point) for index, point in points]
        raw_id = headers.get(HEADER_ID)
        output_id = None if raw_id is None else raw_id.decode("utf-8", "replace")
        body: bytes | None = record.value()
        try:
            value: Value | None = None
            if body is not None:
                value = from_json(body) if topic == CONFIG else decode(topic, body)
            elif topic not in (CURRENT, CONFIG):
                raise ValueError("no body")
            # what cannot be read is no output: its id tells nothing
            if topic == CURRENT:
                if self._by_key.seen(key, None if body is None else output_id):
                    return []
            elif (
                topic != CONFIG
                and output_id is not None
                and HEADER_BY not in headers  # no engine wrote it, so its id tells no place in the order of outputs
                and self._by_position.seen(topic, record.partition(), output_id)
            ):
                return []
        except (ValueError, RecursionError) as error:  # msgspec's and orjson's errors are of the first kind
            raise Unreadable(f"{record.topic()} {record.partition()}-{record.offset()}: {error}") from error
        return [Message(**common, index=0, id=output_id or "", value=value)]

    def _points(self, body: bytes, headers: dict[str, bytes]) -> list[tuple[int, Point]]:
        """The points of a message with their places; what cannot be read is counted."""
        encoding = headers[HEADER_ENCODING].decode("ascii", "replace") if HEADER_ENCODING in headers else None
        try:
            decoded: Any = (POINTS_MSGPACK if encoding == "msgpack" else POINTS_JSON).decode(body)
            return list(enumerate(decoded)) if isinstance(decoded, list) else [(0, decoded)]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        try:
            items = split(body, encoding)
        except BadPoint:
            self.unreadable += 1
            return []
        good = [(index, point) for index, (_, point, _) in enumerate(items) if isinstance(point, Point)]
        self.unreadable += len(items) - len(good)
        return good


def _epoch_ms(when: int | dt.datetime) -> int:
    if isinstance(when, dt.datetime):
        if when.tzinfo is None:
            raise ValueError("start: expected a time with a zone")
        return int(when.timestamp() * 1000)
    return when
