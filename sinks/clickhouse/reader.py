"""From Kafka to batches: one consumer of a lane's topics, its places told by the ledger, never by a consumer group."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import structlog
from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.topics import POINTS, UNCOMMITTED, full_name
from sinks.clickhouse.ledger import Place, Range
from sinks.clickhouse.metrics import Metrics
from sinks.clickhouse.outputs import OutputsBuilder
from sinks.clickhouse.points import PointsBuilder
from sinks.clickhouse.settings import Settings

CONSUME_S = 0.02
CONSUME_MESSAGES = 2_000
LAG_EVERY_S = 1.0
SHORT_LOG_S = 30.0
"""A broker that comes back from a crash shows its log's end early for some seconds; after so many, it is the end."""
END = KafkaError._PARTITION_EOF  # noqa: SLF001 - its public name begins so


class Lane(NamedTuple):
    """Topics that are sunk together, apart from the others, so that a flood of points does not delay a status."""

    name: str
    topics: tuple[str, ...]


class Batch(NamedTuple):
    """What one round inserts: the ranges that it stands for, and rows and block by table (perhaps none)."""

    ranges: dict[Place, Range]
    blocks: dict[str, tuple[int, bytes]]


class Away(Exception):
    """The broker cannot be asked now, or topics are missing."""


class Reader:
    """Reads a lane's topics; used by one thread, except `stop`.

    Args:
        stopped: asked between polls; when true, methods return at once.
    """

    def __init__(self, settings: Settings, lane: Lane, metrics: Metrics, stopped: threading.Event) -> None:
        self._settings = settings
        self._lane = lane
        self._metrics = metrics
        self._stopped = stopped
        self._log = structlog.get_logger("iskra.sink").bind(lane=lane.name, namespace=settings.namespace)
        self._short = {full_name(settings.namespace, short): short for short in lane.topics}
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.kafka,
                "group.id": f"{settings.namespace}.sink.clickhouse",  # the client wants one; offsets stand in ClickHouse
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "reconnect.backoff.max.ms": 200,
                "retry.backoff.max.ms": 200,
                "fetch.queue.backoff.ms": 2,
                # a row may wait a tenth of a second, and a broker answers ten large requests for less than hundreds of small ones
                "fetch.wait.max.ms": 100,
                "fetch.min.bytes": 262_144,
                "queued.max.messages.kbytes": 32_768,
                "fetch.message.max.bytes": 4_194_304,
                "log_level": 3,
                **UNCOMMITTED,
            },
            logger=None,
        )
        self._places: list[Place] = []
        self._positions: dict[Place, int] = {}
        self._points: PointsBuilder | None = None
        self._outputs = OutputsBuilder()
        self._ranges: dict[Place, Range] = {}
        self._left: list[Message] = []  # read, but not in a batch yet
        self._since = 0.0
        self._lag_at = 0.0

    def find(self) -> list[Place]:
        """The partitions of the lane's topics.

        Raises:
            Away: the broker does not answer within 5 s (it answers in 10 ms), or a topic is not there yet.
        """
        try:
            topics = self._consumer.list_topics(timeout=5.0).topics
        except KafkaException as error:
            raise Away(str(error)) from None
        missing = [name for name in self._short if name not in topics or topics[name].error is not None]
        if missing:
            raise Away(f"topics are missing: {', '.join(missing)}")
        self._places = [Place(name, partition) for name in self._short for partition in topics[name].partitions]
        points = full_name(self._settings.namespace, POINTS)
        if points in self._short:
            self._points = PointsBuilder(self._settings.admission, len(topics[points].partitions))
        return self._places

    def reread(self, pending: Mapping[Place, Range]) -> Batch | None:
        """The batch of exactly these ranges, as far as the broker still has them; None when stopped meanwhile."""
        self._consumer.assign([_at(place, span.first) for place, span in pending.items()])
        waiting = set(pending)
        ended: set[Place] = set()
        deadline = time.monotonic() + SHORT_LOG_S
        while waiting:
            if self._stopped.is_set():
                return None
            for message in self._consumer.consume(CONSUME_MESSAGES, CONSUME_S):
                place, offset = _place(message), cast(int, message.offset())
                error = message.error()
                if error is None and pending[place].first <= offset <= pending[place].last:
                    self._add(message)
                if error is None and offset >= pending[place].last:
                    waiting.discard(place)
                elif error is not None and error.code() == END:
                    (waiting.discard if offset > pending[place].last else ended.add)(place)
            if time.monotonic() > deadline and waiting <= ended:
                self._log.error("the log ends before the last round: the broker has lost records", places=sorted(waiting))
                break
        return Batch(dict(pending), self._cut().blocks)

    def start(self, positions: Mapping[Place, int]) -> None:
        """Goes on at these positions; a partition without one is read from its beginning."""
        self._positions = {place: positions.get(place, 0) for place in self._places}
        self._consumer.assign([_at(place, positions.get(place, OFFSET_BEGINNING)) for place in self._places])

    def poll(self, wanted: Callable[[], bool]) -> Batch | None:
        """Reads on until a batch is due: it is full, or it has lingered and `wanted()` says that the writer is free.

        Returns:
            The batch; None when stopped.
        """
        while not self._stopped.is_set():
            messages = self._left or self._consumer.consume(CONSUME_MESSAGES, CONSUME_S)
            self._left = []
            for number, message in enumerate(messages):
                error = message.error()
                if error is None:
                    self._add(message)
                elif error.code() != END:
                    self._log.warning("consume", error=str(error))
                if self._rows() >= self._settings.block_rows:
                    # 2,000 messages that waited may be a million points
                    self._left = messages[number + 1 :]
                    break
            now = time.monotonic()
            if now >= self._lag_at:
                self._lag_at = now + LAG_EVERY_S
                self._tell_lag()
            if self._due(now, wanted):
                return self._cut()
        return None

    def close(self) -> None:
        """Ends the consumer; may block for a second."""
        self._consumer.close()

    @property
    def refused(self) -> int:
        """Points and records left out so far."""
        return self._outputs.refused + (self._points.refused if self._points is not None else 0)

    def _rows(self) -> int:
        return self._outputs.rows + (self._points.rows if self._points is not None else 0)

    def _due(self, now: float, wanted: Callable[[], bool]) -> bool:
        if self._rows() >= self._settings.block_rows:
            return True
        return bool(self._ranges) and now - self._since >= self._settings.linger and wanted()

    def _add(self, message: Message) -> None:
        place, offset = _place(message), cast(int, message.offset())
        if not self._ranges:
            self._since = time.monotonic()
        span = self._ranges.get(place)
        if span is not None and offset <= span.last:
            raise Away(f"{place.topic}/{place.partition} begins anew at {offset}: was the topic made again?")
        self._ranges[place] = Range(offset if span is None else span.first, offset)
        short = self._short[place.topic]
        if short == POINTS:
            assert self._points is not None
            self._points.add(message)
        else:
            self._outputs.add(short, message)

    def _cut(self) -> Batch:
        ranges, self._ranges = self._ranges, {}
        blocks = self._outputs.take()
        points = self._points.take() if self._points is not None else None
        if points is not None:
            blocks["points"] = points
        self._metrics.refused.labels(self._lane.name).set(self.refused)
        return Batch(ranges, blocks)

    def _tell_lag(self) -> None:
        for position in self._consumer.position([_at(place) for place in self._places]):
            _, high = self._consumer.get_watermark_offsets(position, cached=True)
            at = position.offset if position.offset >= 0 else self._positions[Place(position.topic, position.partition)]
            if high >= 0:
                self._metrics.lag.labels(position.topic, position.partition).set(max(0, high - at))


def _at(place: Place, offset: int = OFFSET_INVALID) -> TopicPartition:
    return TopicPartition(place.topic, place.partition, offset)


def _place(message: Message) -> Place:
    return Place(cast(str, message.topic()), cast(int, message.partition()))
