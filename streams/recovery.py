"""Reads of Kafka that a take-over needs: states from the checkpoint log, the first marker of a partition.

They block, so they run in threads. Each waits for a broker that is away.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.headers import headers_of
from schemas.topics import HEADER_KIND, KIND_CONFIG, UNCOMMITTED
from streams.checkpoints import HEADER_LINEAGE, Mark, newest_states
from streams.outputs import HEADER_AT

log = structlog.get_logger(__name__)

_decode_state = msgspec.msgpack.Decoder(list[Any]).decode

_DIGITS = 20
"""No offset has so many."""
READ_S = 0.02
"""How long one read waits for more: `consume` waits for all it was asked for or this long."""
WATERMARK_RETRY_S = 0.1
"""Between two looks for a partition's leader."""


def reader(kafka: str, **extra: Any) -> Consumer:
    """A consumer without a group's doings: partitions are assigned by hand, nothing is committed."""
    return Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "iskra.readers",  # required by the client; never joined
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 2,
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 16_384,
            "fetch.message.max.bytes": 4 * 1024 * 1024,
            "reconnect.backoff.max.ms": 200,
            "retry.backoff.max.ms": 200,
            "enable.partition.eof": True,
            "log_level": 2,
            **UNCOMMITTED,
            **extra,
        }
    )


def offset_of(message: Message) -> int:
    """A message's offset."""
    offset = message.offset()
    return -1 if offset is None else offset


def read_range(consumer: Consumer, topic: str, partition: int, first: int, last: int) -> Iterator[Message]:
    """The records of `topic` from offset `first` to `last` (inclusive), or to the end of the partition if that comes first."""
    if last < first:
        return
    consumer.assign([TopicPartition(topic, partition, first)])
    done = False
    while not done:
        for message in consumer.consume(2_000, READ_S):
            if message.partition() != partition or message.topic() != topic:
                continue  # of an earlier assignment, whose reading was given up half-way
            error = message.error()
            if error is None:
                if offset_of(message) > last:
                    done = True
                    break
                yield message
                done = done or offset_of(message) >= last
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
                done = True
            elif not _passing(error):
                raise KafkaException(error)
    consumer.unassign()


def _passing(error: KafkaError) -> bool:
    return bool(error.retriable()) or error.code() in (
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    )


def read_states(kafka: str, checkpoints_topic: str, partition: int, mark: Mark) -> dict[bytes, bytes]:
    """The states of a partition that its mark makes visible, by subject key."""
    if mark.first < 0:
        return {}
    consumer = reader(kafka)
    try:
        return newest_states(
            (
                (message.key() or b"", message.value(), headers.get(HEADER_LINEAGE, b"").decode("ascii", "replace"), at)
                for message in read_range(consumer, checkpoints_topic, partition, mark.first, mark.last)
                for headers in (headers_of(message),)
                if (at := offset_in(headers.get(HEADER_AT))) is not None
            ),
            mark.lineage,
        )
    finally:
        consumer.close()


def offset_in(text: bytes | None) -> int | None:
    """An offset as a header tells it; None: no worker wrote that."""
    return int(text) if text is not None and text.isdigit() and len(text) < _DIGITS else None


class Reread(NamedTuple):
    """A record as aiokafka's batches give them, with all headers that can be read."""

    offset: int
    timestamp: int
    value: bytes | None
    headers: list[tuple[str, bytes]]


class Rereader:
    """Reads records of a topic by a client that no header stops; it stays open from the first use on. One thread at a time."""

    def __init__(self, kafka: str, topic: str) -> None:
        self._kafka = kafka
        self._topic = topic
        self._consumer: Consumer | None = None

    def read(self, partition: int, first: int, last: int) -> list[Reread]:
        """The records from offset `first` to `last` (inclusive); waits while the broker is away."""
        if self._consumer is None:
            self._consumer = reader(self._kafka)
        return [
            Reread(offset_of(message), message.timestamp()[1], message.value(), list(headers_of(message).items()))
            for message in read_range(self._consumer, self._topic, partition, first, last)
        ]

    def close(self) -> None:
        """Ends the reading."""
        if self._consumer is not None:
            self._consumer.close()


def state_head(raw: bytes) -> tuple[int, str]:
    """The input offset at which a serialised state stands, and the hash of the configuration under which it does."""
    _, offset, config, *_ = _decode_state(raw)
    return int(offset), str(config)


def beginning(kafka: str, points_topic: str, partition: int) -> tuple[int, str | None]:
    """Where a partition's log begins: its first offset, and the configuration hash of its first marker (None: there is none yet)."""
    consumer = reader(kafka)
    try:
        low, high = watermarks(consumer, points_topic, partition)
        for message in read_range(consumer, points_topic, partition, low, high - 1):
            if headers_of(message).get(HEADER_KIND) == KIND_CONFIG:
                return low, str((message.value() or b"").decode("ascii", "replace"))
        return low, None
    finally:
        consumer.close()


def watermarks(consumer: Consumer, topic: str, partition: int) -> tuple[int, int]:
    """First offset and end of a partition; waits while the broker is away."""
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=1.0)
        except KafkaException as error:
            if not _passing(error.args[0]):
                raise
            log.warning("waiting for the broker", topic=topic, partition=partition)
            time.sleep(WATERMARK_RETRY_S)  # some of these errors come at once, again and again
        else:
            return int(low), int(high)
