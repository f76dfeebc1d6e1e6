"""Follows the topics that a page needs: two threads read Kafka and hand what they read to the event loop.

`StateFeed` reads `slo.current` of every namespace from its beginning (it is compacted: this is the state) and goes on
live; `slo.status` and `slo.windows` it reads from their ends, `config` and the events of the living part (voices, alerts,
escalations, actions, budgets: what is open now may have begun long ago) from their beginnings, `signals.events` from a
little before its end. A status that comes on both topics counts once, by its id. `PointsFeed` reads raw points, only of
partitions that hold a subject somebody looks at.

A thread hands over one batch at a time and waits until the loop has taken it, so neither side can run away. It polls
for the first message and then drains what is there: `consume(n, t)` alone would wait for n messages or the whole t.
"""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import msgspec
import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from gateway.keys import Key, SubjectKey
from gateway.living import SECTIONS, read_life
from gateway.records import WINDOW, ConfigRead, PointsRead, Read, Removed, WindowRead, read_status
from schemas.config import Config
from schemas.headers import headers_of
from schemas.partitioning import partition_for, subject_key
from schemas.points import MAX_VALUE, POINTS, POINTS_MSGPACK, BadPoint, Point, parse_ts, split
from schemas.topics import (
    CONFIG,
    CURRENT,
    DEAD_LETTERS,
    HEADER_BY,
    HEADER_ENCODING,
    HEADER_ID,
    HEADER_KIND,
    SIGNALS,
    STATUS,
    UNCOMMITTED,
    WINDOWS,
    full_name,
)
from schemas.topics import POINTS as POINTS_TOPIC

log = structlog.get_logger()

BATCH = 500
"""Messages a batch: about 10 ms of the loop's time at the most."""
POLL_S = 0.1
REST_S = 0.025
"""Between two batches of raw points."""
METADATA_S = 1.0
"""How often topics that do not exist yet are looked for, and how long the broker may take to answer."""
TOO_FAR_BEHIND = 100_000
"""Records of raw points behind which the reader jumps to the end: a live view shows the present."""


SAMPLES_AGAIN = 1_000
"""Samples of signals of each partition that are read from before the gateway came; one of each subject comes every minute."""
_STARTS = {STATUS: OFFSET_END, WINDOWS: OFFSET_END, DEAD_LETTERS: OFFSET_END, SIGNALS: -2000 - SAMPLES_AGAIN}
"""Where reading begins, if not at the beginning; librdkafka counts a distance from the end down from −2000."""

_JSON = msgspec.json.Encoder()


class _Feed(threading.Thread, ABC):
    """A thread with one consumer that hands batches to the loop. `start` begins, `stop` ends and joins it."""

    def __init__(
        self, name: str, kafka: str, loop: asyncio.AbstractEventLoop, apply: Callable[[list[Read]], None], **settings: Any
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._loop = loop
        self._apply = apply
        self._ending = threading.Event()
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": f"iskra-gateway-{uuid.uuid4()}",  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 2,
                "fetch.wait.max.ms": 100,
                "queued.max.messages.kbytes": 8192,
                "reconnect.backoff.max.ms": 200,
                "retry.backoff.max.ms": 200,
                "topic.metadata.refresh.interval.ms": 30_000,
                "allow.auto.create.topics": False,
                "log_level": 2,
                **UNCOMMITTED,
                **settings,
            }
        )

    def stop(self) -> None:
        """Ends the thread; waits up to two seconds for it."""
        self._ending.set()
        self.join(2.0)

    def run(self) -> None:
        """The thread's body."""
        try:
            while not self._ending.is_set():
                try:
                    self._prepare()
                    first = self._consumer.poll(POLL_S)
                    if first is not None:
                        more = self._consumer.consume(BATCH, 0)
                        self._hand_over([first, *more])
                        if len(more) < BATCH:
                            self._rest()
                except KafkaException as error:
                    log.warning("feed waits for the broker", feed=self.name, error=str(error.args[0]))
                    self._ending.wait(0.2)
                except Exception:
                    log.exception("feed goes on after a defect", feed=self.name)
                    self._ending.wait(0.2)
        finally:
            self._consumer.close()

    def _hand_over(self, messages: list[Any]) -> None:
        batch: list[Read] = []
        for message in messages:
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - confluent-kafka's public name begins so
                    self._at_end(message.topic(), message.partition())
                continue
            try:
                self._read(message, batch)
            except Exception as bad:  # noqa: BLE001 - whatever it is made of, it costs itself alone
                log.warning(
                    "unreadable record", topic=message.topic(), partition=message.partition(), offset=message.offset(), error=str(bad)
                )
        if batch:
            taken = threading.Event()
            try:
                self._loop.call_soon_threadsafe(self._take, batch, taken)
            except RuntimeError:  # the loop is closed: the process ends
                self._ending.set()
                return
            while not taken.wait(0.5) and not self._ending.is_set():
                pass

    def _take(self, batch: list[Read], taken: threading.Event) -> None:
        try:
            self._apply(batch)
        finally:
            taken.set()

    def _prepare(self) -> None:
        """Called before each poll: adjusts what is read."""

    def _rest(self) -> None:
        """Called after a batch with which all that was there is read."""

    def _at_end(self, topic: str, partition: int) -> None:
        """The end of a partition was reached."""

    @abstractmethod
    def _read(self, message: Any, batch: list[Read]) -> None:
        """Decodes one message into `batch`."""


class StateFeed(_Feed):
    """Statuses, windows and configurations of some namespaces.

    `caught_up` is set once `slo.current` of all namespaces whose topics exist was read to its end, `lives_caught_up` once the
    events of the living part were, too.
    """

    def __init__(
        self,
        kafka: str,
        namespaces: tuple[str, ...],
        loop: asyncio.AbstractEventLoop,
        apply: Callable[[list[Read]], None],
        count: Callable[[str, int], None],
    ) -> None:
        super().__init__("feed-state", kafka, loop, apply)
        self.caught_up = threading.Event()
        self.lives_caught_up = threading.Event()
        self.partitions: dict[str, int] = {}
        """Partitions of the points topic, by namespace, as far as it exists."""
        self.newest_lag: float | None = None
        """Seconds between the newest status' time and its reading, of the first namespace."""
        self._first = namespaces[0]
        self._topics = {
            full_name(ns, short): (ns, short) for ns in namespaces for short in (CONFIG, CURRENT, STATUS, WINDOWS, POINTS_TOPIC, *SECTIONS)
        }
        self._missing = set(self._topics)
        self._behind: set[tuple[str, int]] = set()
        self._next_look = 0.0
        self._count = count

    def _prepare(self) -> None:
        if not self._missing or time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + METADATA_S
        known = self._consumer.list_topics(timeout=METADATA_S).topics
        fresh: list[TopicPartition] = []
        for topic in sorted(self._missing):
            metadata = known.get(topic)
            if metadata is None or metadata.error is not None or not metadata.partitions:
                continue
            self._missing.discard(topic)
            namespace, short = self._topics[topic]
            if short == POINTS_TOPIC:
                self.partitions[namespace] = len(metadata.partitions)
                continue
            start = _STARTS.get(short, OFFSET_BEGINNING)
            fresh += [TopicPartition(topic, partition, start) for partition in metadata.partitions]
            if start == OFFSET_BEGINNING:
                self._behind |= {(topic, partition) for partition in metadata.partitions}
        if fresh:
            self._consumer.incremental_assign(fresh)
            log.info("feed follows", topics=sorted({each.topic for each in fresh}))

    def _at_end(self, topic: str, partition: int) -> None:
        self._behind.discard((topic, partition))
        if not any(self._topics[behind][1] == CURRENT for behind, _ in self._behind):
            self.caught_up.set()
        if not self._behind:
            self.lives_caught_up.set()

    def _read(self, message: Any, batch: list[Read]) -> None:
        namespace, short = self._topics[message.topic()]
        self._count(short, 1)
        key, value, headers = message.key() or b"", message.value(), headers_of(message)
        if short in (STATUS, CURRENT):
            if value is None:
                tenant, subject, metric = key.decode().split("/")
                batch.append(Removed(Key(namespace, tenant, subject, metric)))
                return
            identity = headers.get(HEADER_ID)
            if identity is None:
                raise ValueError("no id")
            if short == STATUS and namespace == self._first:
                self.newest_lag = time.time() - message.timestamp()[1] / 1000
            batch.append(read_status(namespace, identity.decode(), value, short == STATUS))
        elif short == WINDOWS and value is not None:
            window = WINDOW.decode(value)
            subject_read = SubjectKey(namespace, window.tenant, window.subject)
            batch.append(WindowRead(subject_read, window.metric, window.start + window.size_ms, window.mean))
        elif short == CONFIG and value is not None:
            batch.append(ConfigRead(namespace, key.decode(), value))
        elif short in SECTIONS and value is not None:
            identity = headers.get(HEADER_ID, b"")
            life = read_life(namespace, short, key, identity.decode(), message.timestamp()[1], value, headers.get(HEADER_BY))
            if life is not None:
                batch.append(life)


class PointsFeed(_Feed):
    """Raw points of watched subjects, those that the engine takes as far as one record tells. `watch` may be called from the
    loop at any time; `config` says how points are judged.
    """

    def __init__(
        self,
        kafka: str,
        partitions: dict[str, int],
        config: Config,
        loop: asyncio.AbstractEventLoop,
        apply: Callable[[list[Read]], None],
        count: Callable[[str, int], None],
    ) -> None:
        # one message waiting is enough: what comes while the thread rests is fetched in one answer when it goes on
        settings = {"queued.min.messages": 1, "fetch.queue.backoff.ms": 5, "enable.partition.eof": False}
        super().__init__("feed-points", kafka, loop, apply, **settings)
        self.config = config
        self._partitions = partitions
        self._watched: dict[tuple[str, int], dict[tuple[str, str], bytes]] = {}
        self._wish: set[SubjectKey] | None = None
        self._tried: set[SubjectKey] | None = None
        self._try_again = 0.0
        self._namespaces: dict[str, str] = {}
        self._count = count
        self._checked = 0.0

    def watch(self, subjects: set[SubjectKey]) -> None:
        """From now on these subjects, and no others, are read."""
        self._wish = subjects

    def _prepare(self) -> None:
        wish = self._wish
        if wish is not None and (wish is not self._tried or time.monotonic() >= self._try_again):
            self._tried, self._try_again = wish, time.monotonic() + METADATA_S
            if self._rearrange(wish) and self._wish is wish:
                self._wish = None
        if time.monotonic() > self._checked + 1.0:
            self._checked = time.monotonic()
            self._stay_present()

    def _rest(self) -> None:
        # a lone point goes at once; of a stream many go together, since the page is painted twenty times a second at most
        self._ending.wait(REST_S)

    def _rearrange(self, wish: set[SubjectKey]) -> bool:
        """Reads what is wished for; False: a namespace has no topic of points yet, and the others are read."""
        watched: dict[tuple[str, int], dict[tuple[str, str], bytes]] = {}
        complete = True
        for subject in wish:
            count = self._partitions.get(subject.namespace)
            if count is None:
                complete = False
                continue
            topic = full_name(subject.namespace, POINTS_TOPIC)
            self._namespaces[topic] = subject.namespace
            partition = partition_for(subject_key(subject.tenant, subject.subject), count)
            # the name as it stands in JSON: what a message must contain before it is worth decoding
            watched.setdefault((topic, partition), {})[subject.tenant, subject.subject] = _JSON.encode(subject.subject)[1:-1]
        gone = [TopicPartition(*key) for key in self._watched if key not in watched]
        fresh = [TopicPartition(*key, OFFSET_END) for key in watched if key not in self._watched]
        if gone:
            self._consumer.incremental_unassign(gone)
        if fresh:
            self._consumer.incremental_assign(fresh)
        self._watched = watched
        return complete

    def _stay_present(self) -> None:
        for topic, partition in self._watched:
            here = TopicPartition(topic, partition)
            position = self._consumer.position([here])[0].offset
            end: Any = self._consumer.get_watermark_offsets(here, cached=True)
            if position >= 0 and end is not None and end[1] - position > TOO_FAR_BEHIND:
                self._consumer.seek(TopicPartition(topic, partition, OFFSET_END))

    def _read(self, message: Any, batch: list[Read]) -> None:
        topic = message.topic()
        wanted = self._watched.get((topic, message.partition()))
        value = message.value()
        if not wanted or not value or HEADER_KIND in (headers := headers_of(message)):
            return
        self._count(POINTS_TOPIC, 1)
        packed = headers.get(HEADER_ENCODING) == b"msgpack"
        if not packed and not any(name in value for name in wanted.values()) and b"\\u" not in value:
            return
        found: dict[tuple[str, str], list[bytes]] = {}
        for point in _points(value, packed):
            whose = (point.tenant, point.subject)
            if whose in wanted and (ts := self._time(point, message.timestamp()[1])) is not None:
                found.setdefault(whose, []).append(_JSON.encode((point.metric, ts, point.value)))
        for (tenant, subject), raws in found.items():
            batch.append(PointsRead(SubjectKey(self._namespaces[topic], tenant, subject), raws))

    def _time(self, point: Point, record_ms: int) -> int | None:
        """A point's time, epoch ms; None: the engine refuses it, so that it moves no time and stands in no chart."""
        metric = self.config.metrics.get(point.metric)
        low, high = (-MAX_VALUE, MAX_VALUE) if metric is None else metric.values
        try:
            ts = parse_ts(point.ts)
        except BadPoint:
            return None
        return ts if low <= point.value <= high and ts <= record_ms + self.config.time.max_skew else None


def _points(value: bytes, packed: bool) -> list[Point]:
    """The points of a message; an item that cannot be read costs only itself."""
    try:
        decoded: Point | list[Point] = (POINTS_MSGPACK if packed else POINTS).decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [point for _, point, _ in split(value, "msgpack" if packed else None) if isinstance(point, Point)]
    return decoded if isinstance(decoded, list) else [decoded]
