"""Publishing commands: records of the points topic by which people and subjects act (schemas.commands)."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaError, TopicPartition
from confluent_kafka import Producer as KafkaProducer

from iskra.client.errors import NotAcknowledged
from iskra.client.kafka import CLIENT_SETTINGS, READING, end_time, partition_count
from schemas.commands import Command, encode_command
from schemas.partitioning import partition_for, subject_key
from schemas.topics import HEADER_KIND, KIND_COMMAND, LIVE_NAMESPACE, POINTS, full_name

SEND_S = 30.0
"""For a broker to take one record: one that was killed is back within 8 s, and machines are busy."""
_PURGE_S = 1.0
"""For the client library to hand back what it gives up; it asks nobody, so that takes milliseconds."""


class Place(NamedTuple):
    """Where a record stands. The outputs that it causes have ids that begin with `prefix`."""

    partition: int
    offset: int

    @property
    def prefix(self) -> str:
        """Beginning of those ids."""
        return f"{self.partition}-{self.offset}-"


class Commander:
    """Publishes commands into a namespace. Not thread-safe; as a context manager it closes itself.

    Raises:
        iskra.client.Unreachable: no broker answered. iskra.client.UnknownTopic: the namespace has no points topic.
    """

    def __init__(self, kafka: str, *, namespace: str = LIVE_NAMESPACE, connect_timeout: float = 10.0) -> None:
        self._topic = full_name(namespace, POINTS)
        # in a namespace of its own time is virtual: a command there stands at the time at which its partition stands
        self._virtual = namespace != LIVE_NAMESPACE
        self._settings: dict[str, Any] = {**CLIENT_SETTINGS, "bootstrap.servers": kafka}
        self._producer = KafkaProducer({**self._settings, "acks": "all", "enable.idempotence": True, "linger.ms": 0, "log_level": 2})
        self._partitions = partition_count(self._producer, self._topic, kafka, connect_timeout)

    def send(self, command: Command) -> Place:
        """Publishes one command; blocks until the broker has acknowledged it.

        Returns:
            Where it stands.
        Raises:
            iskra.client.Unreachable: in a namespace of virtual time, the broker did not tell the time.
            iskra.client.NotAcknowledged: it refused, or did not answer within 30 s; the command is not tried any longer.
        """
        key = subject_key(command.tenant, command.subject)
        partition = partition_for(key, self._partitions)
        found: list[Place | str] = []

        def delivered(error: KafkaError | None, message: Any) -> None:
            found.append(error.str() if error is not None else Place(message.partition(), message.offset()))

        timestamp = self._end_time(partition) if self._virtual else 0
        headers: dict[str, str | bytes | None] = {HEADER_KIND: KIND_COMMAND}
        self._producer.produce(
            self._topic, encode_command(command), key, partition, timestamp=timestamp, headers=headers, on_delivery=delivered
        )
        deadline = time.monotonic() + SEND_S
        while not found and time.monotonic() < deadline:
            self._producer.poll(0.05)
        answered = bool(found)
        if not answered:
            self._producer.purge()  # what is given up must not take effect behind the caller's back once the broker is there again
            self._producer.flush(_PURGE_S)
        if found and isinstance(found[0], Place):
            return found[0]
        reason = (
            f"the command was not taken: {found[0]}"
            if answered
            else f"no answer for {SEND_S:g} s; the command is not tried any longer, and stands in the log only if it was on its way by then"
        )
        raise NotAcknowledged([], [reason], pending=False)

    def close(self) -> None:
        """Waits for what is under way."""
        self._producer.flush(SEND_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _end_time(self, partition: int) -> int:
        consumer = KafkaConsumer({**self._settings, **READING})
        try:
            return end_time(consumer, TopicPartition(self._topic, partition))
        finally:
            consumer.close()
