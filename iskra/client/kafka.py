"""What producer and consumer share about the client library: settings, and its errors in our words."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from iskra.client.errors import UnknownTopic, Unreachable
from schemas.topics import UNCOMMITTED

CLIENT_SETTINGS: dict[str, Any] = {
    # a broker that restarts is back within seconds: the library's own back-off would go up to 10 s
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 200,
    "retry.backoff.ms": 50,
    "retry.backoff.max.ms": 200,
    "socket.keepalive.enable": True,
    "log.connection.close": False,
}
READING: dict[str, Any] = {
    **UNCOMMITTED,
    "group.id": "iskra-reader",  # required by the client; never joined
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    "fetch.wait.max.ms": 10,  # the end of a partition is told when a fetch comes back empty
}
"""Settings of a consumer that is assigned by hand and told where partitions end."""

_PASSING = frozenset(
    {
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        # a broker that was too busy for its own heartbeat leads again under another epoch
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    }
)
"""What a broker answers for a moment after its start or a topic's creation."""
_FINAL = frozenset(
    {
        KafkaError._INVALID_ARG,  # noqa: SLF001 - the library's names for its own error codes
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
        KafkaError._FATAL,  # noqa: SLF001
    }
)
"""Of the client library's own errors (negative codes) those that no waiting mends; the others are connections that come back."""
_PAUSE_S = 0.05

ANSWER_S = 30.0
"""For a request to a broker that has answered before: one that was killed meanwhile is back within 8 s, and machines are busy."""

T = TypeVar("T")


def patiently(ask: Callable[[float], T], timeout: float) -> T:
    """The answer to a request, asked again while the broker says "not yet".

    Args:
        ask: gets the seconds left.
        timeout: s, for all tries. A leader is there within 0.2 s of a topic's creation, within 8 s of a broker's kill.
    Raises:
        Unreachable: no broker answered in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            return ask(max(deadline - time.monotonic(), 0.001))
        except KafkaException as error:
            reason = error.args[0]
            if time.monotonic() >= deadline or not _passes(reason):
                raise Unreachable(f"no Kafka broker answered within {timeout:g} s: {reason.str()}") from error
        time.sleep(_PAUSE_S)


def _passes(reason: KafkaError) -> bool:
    """Whether asking again may help."""
    code = reason.code()
    return reason.retriable() or code in _PASSING or (code < 0 and code not in _FINAL)


def partition_count(client: Any, topic: str, kafka: str, timeout: float) -> int:
    """The number of the topic's partitions, as the broker says.

    Args:
        client: a confluent-kafka producer, consumer or admin client.
        kafka: its bootstrap address: while somebody listens there who is only slow, `ANSWER_S` more are waited.
        timeout: s.
    Raises:
        Unreachable: no broker answered in time.
        UnknownTopic: the broker has no such topic.
    """

    def ask(left: float) -> Any:
        return client.list_topics(topic, timeout=left).topics[topic]

    try:
        found = patiently(ask, timeout)
    except Unreachable:
        if not any(_listens(address) for address in kafka.split(",")):
            raise
        found = patiently(ask, ANSWER_S)
    if found.error is not None or not found.partitions:
        raise UnknownTopic(f"no topic {topic} on the broker; `iskra topics --create` creates a namespace's topics")
    return len(found.partitions)


def end_time(consumer: Consumer, place: TopicPartition) -> int:
    """The time of a partition's last record, epoch ms; 1 where it has none (0 would be the present to whoever publishes with it).

    Args:
        consumer: with `READING`; what it is assigned to changes.
    Raises:
        Unreachable: the broker did not deliver the record in time.
    """
    low, high = patiently(lambda left: consumer.get_watermark_offsets(place, timeout=left), ANSWER_S)
    if low >= high:
        return 1
    deadline = time.monotonic() + ANSWER_S
    back, latest = 1, 0
    consumer.assign([TopicPartition(place.topic, place.partition, high - back)])
    while time.monotonic() < deadline:
        record = consumer.poll(0.5)
        if record is None:
            continue
        error = record.error()
        if error is None:
            latest = max(latest, record.timestamp()[1])
            if (record.offset() or 0) >= high - 1:  # where somebody writes all the time no end is told
                return max(1, latest)
        elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's name for its own error code
            continue
        elif latest or high - back <= low:
            return max(1, latest)
        else:  # only a transaction's marks stood there, which nobody is given
            back *= 10
            consumer.assign([TopicPartition(place.topic, place.partition, max(low, high - back))])
    raise Unreachable(f"the broker did not deliver the last record of {place.topic}, partition {place.partition}, within {ANSWER_S:g} s")


def hand_over(
    producer: Producer,
    topic: str,
    value: bytes,
    key: bytes | None,
    partition: int,
    on_delivery: Callable[[KafkaError | None, Message], None],
    *,
    timestamp: int,
    headers: dict[str, str | bytes | None],
) -> None:
    """Gives one record to the client library; waits while its queue is full, and lets it tell what was delivered.

    Args:
        timestamp: epoch ms; 0: the present.
    """
    while True:
        try:
            producer.produce(topic, value, key, partition, on_delivery, timestamp=timestamp, headers=headers)
        except BufferError:
            producer.poll(0.05)
        else:
            producer.poll(0)
            return


def _listens(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=1.0):
            return True
    except (OSError, ValueError):
        return False
