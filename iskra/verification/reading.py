"""What verification reads from Kafka: logs, outputs, commits. It joins no group and writes nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from iskra.published_config import committed
from iskra.stack.errors import NotReachableError
from iskra.verification.cut import Start
from processors.engine import Record
from schemas.config import Config, published
from schemas.headers import headers_of
from schemas.topics import CONFIG, HEADER_ENCODING, HEADER_KIND, HEADER_ORIGIN, HEADER_REDRIVE, POINTS, full_name
from streams.recovery import beginning, offset_of, read_range, reader

REACH_S = 10.0
"""One answer of a broker that is there takes milliseconds; one that restarts is back within this."""


class BrokerUnreachable(ConnectionError):
    """No broker answers, or the namespace has no topics; the text says which."""


class LogReader:
    """Reads one namespace.

    Args:
        kafka: bootstrap address. namespace: prefix of the topics.
    Raises:
        BrokerUnreachable: no answer, or no points topic.
    """

    def __init__(self, kafka: str, namespace: str) -> None:
        self.kafka = kafka
        self.namespace = namespace
        self._consumer: Consumer = reader(kafka)
        topic = full_name(namespace, POINTS)
        try:
            found = self._consumer.list_topics(topic, timeout=REACH_S).topics[topic]
        except KafkaException as error:
            raise BrokerUnreachable(f"Kafka at {kafka}: {error.args[0].str()}") from None
        if found.error is not None or not found.partitions:
            raise BrokerUnreachable(f"Kafka at {kafka} has no topic {topic}; `iskra up` or `iskra worker` creates it")
        self.partitions = len(found.partitions)

    def close(self) -> None:
        """Closes the connection."""
        self._consumer.close()

    def ends(self, short: str, partition: int) -> tuple[int, int]:
        """First offset and end of a partition of a topic."""
        low, high = self._consumer.get_watermark_offsets(TopicPartition(full_name(self.namespace, short), partition), timeout=REACH_S)
        return int(low), int(high)

    def committed(self, partition: int) -> int:
        """The input offset up to which (exclusive) the workers' outputs are all acknowledged; 0: none."""
        admin = AdminClient({"bootstrap.servers": self.kafka, "log_level": 2})
        wanted = TopicPartition(full_name(self.namespace, POINTS), partition)
        request = [ConsumerGroupTopicPartitions(f"{self.namespace}.worker", [wanted])]
        for future in admin.list_consumer_group_offsets(request).values():
            for found in future.result(REACH_S).topic_partitions:
                return max(0, int(found.offset))
        return 0

    def start(self, partition: int) -> Start:
        """Where a partition's log begins, and under which configuration: that of its first marker, which stands for all before it.

        A log that has lost its markers to retention has had no change since: the commit tells which configuration is in force.
        """
        topic = full_name(self.namespace, POINTS)
        first, named = beginning(self.kafka, topic, partition)
        if first == 0 or named is not None:
            return Start(first, named, known=first == 0)
        try:
            # not by the client above: it gives metadata with whatever stands behind them in memory
            _, named = asyncio.run(committed(self.kafka, f"{self.namespace}.worker", topic)).get(partition, (0, None))
        except NotReachableError as error:
            raise BrokerUnreachable(str(error)) from None
        return Start(first, named, known=named is not None)

    def records(self, partition: int, first: int, end: int) -> Iterator[Record]:
        """The records first … end − 1 of a partition of the points topic."""
        for message in read_range(self._consumer, full_name(self.namespace, POINTS), partition, first, end - 1):
            headers = headers_of(message)
            yield Record(
                offset_of(message),
                message.timestamp()[1],
                message.value() or b"",
                _text(headers.get(HEADER_KIND)),
                _text(headers.get(HEADER_ENCODING)),
                _text(headers.get(HEADER_ORIGIN)),
                HEADER_REDRIVE in headers,
            )

    def messages(self, short: str, partition: int, first: int, end: int) -> Iterator[Any]:
        """The messages first … end − 1 of a partition of an output topic (fewer where it is compacted)."""
        return read_range(self._consumer, full_name(self.namespace, short), partition, first, end - 1)

    def configurations(self) -> dict[str, Config]:
        """All configurations that were published, by hash; what is none is passed over."""
        _, end = self.ends(CONFIG, 0)
        found: dict[str, Config] = {}
        for message in self.messages(CONFIG, 0, 0, end):
            name, body = _text(message.key()), message.value()
            if name is not None and body is not None:
                with contextlib.suppress(ValueError):
                    found[name] = published(name, body)
        return found


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("ascii", "replace")
