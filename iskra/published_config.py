"""The configuration as it stands in the log: bodies on the topic `config`, markers in each partition of the points topic."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from aiokafka import TopicPartition as GroupPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError as GroupError
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from iskra.stack.errors import NotReachableError
from iskra.stack.kafka import QUICK_CLIENT
from schemas.config import Config, config_hash, published, to_json
from schemas.headers import headers_of
from schemas.topics import CONFIG, HEADER_KIND, KIND_CONFIG, POINTS, UNCOMMITTED, full_name, marker_time
from streams.checkpoints import decode_mark

ANSWER_TIMEOUT_S = 10.0
"""One answer of the broker; a broker that was killed is back within 5 s."""
READ_TIMEOUT_S = 60.0
"""Reading a partition from its last checkpoint takes milliseconds, from its beginning about 3 s a million records."""
RETRY_S = 0.1
BATCH = 5_000


def in_force(kafka: str, namespace: str) -> dict[int, str | None]:
    """The hash of the configuration in force at the end of each partition of the points topic; None where none was named.

    What a worker committed says which one was in force there; markers behind it are looked for.

    Raises:
        NotReachableError: the broker does not answer, or has no such topic.
    """
    topic = full_name(namespace, POINTS)
    consumer = _consumer(kafka)
    try:
        found: dict[int, str | None] = {}
        partitions = _partitions(consumer, kafka, topic)
        commits = asyncio.run(committed(kafka, f"{namespace}.worker", topic))
        for partition in partitions:
            offset, known = commits.get(partition, (0, None))
            for message in _records(consumer, kafka, topic, partition, offset):
                if headers_of(message).get(HEADER_KIND) == KIND_CONFIG:
                    known = (message.value() or b"").decode("ascii", "replace")
            found[partition] = known
        return found
    finally:
        consumer.close()


def body(kafka: str, namespace: str, name: str) -> Config | None:
    """The configuration whose hash is `name` from the topic `config`; None if it is not there.

    Raises:
        NotReachableError: the broker does not answer, or has no such topic.
    """
    topic = full_name(namespace, CONFIG)
    consumer = _consumer(kafka)
    try:
        for partition in _partitions(consumer, kafka, topic):
            for message in _records(consumer, kafka, topic, partition, 0):
                if message.key() == name.encode():
                    with contextlib.suppress(ValueError):  # whatever else somebody wrote under its name
                        return published(name, message.value() or b"")
        return None
    finally:
        consumer.close()


def publish(kafka: str, namespace: str, config: Config) -> dict[int, int]:
    """Publishes the body, then a marker to every partition of the points topic; gives the markers' offsets by partition.

    Raises:
        NotReachableError: the broker did not acknowledge; what is acknowledged stands, and publishing again does no harm.
    """
    name = config_hash(config).encode()
    topic = full_name(namespace, POINTS)
    consumer = _consumer(kafka)
    try:
        partitions = _partitions(consumer, kafka, topic)
    finally:
        consumer.close()
    producer = Producer(
        {"bootstrap.servers": kafka, "enable.idempotence": True, "delivery.timeout.ms": int(ANSWER_TIMEOUT_S * 1000), **QUICK_CLIENT}
    )
    offsets: dict[int, int] = {}
    failed: list[str] = []

    def told(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            failed.append(error.str())
        elif message.topic() == topic:
            offsets[int(message.partition() or 0)] = int(message.offset() or 0)

    producer.produce(full_name(namespace, CONFIG), key=name, value=to_json(config), partition=0, on_delivery=told)
    producer.flush(ANSWER_TIMEOUT_S + 1)  # the body first: a worker waits at a marker until it has it
    if not failed:
        for partition in partitions:
            time_ms = marker_time(namespace)
            producer.produce(topic, name, None, partition, told, timestamp=time_ms, headers=[(HEADER_KIND, KIND_CONFIG)])
        producer.flush(ANSWER_TIMEOUT_S + 1)
    if failed or len(offsets) < len(partitions):
        raise NotReachableError(
            f"Kafka at {kafka} did not acknowledge the configuration: {failed[0] if failed else 'no answer'}; push again"
        )
    return dict(sorted(offsets.items()))


async def committed(kafka: str, group: str, topic: str) -> dict[int, tuple[int, str | None]]:
    """What the workers of `group` committed of `topic`: offset and configuration by partition.

    Raises:
        NotReachableError: the broker does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka, request_timeout_ms=int(ANSWER_TIMEOUT_S * 1000))
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    try:
        await admin.start()
        while True:
            try:
                offsets: dict[GroupPartition, Any] = await admin.list_consumer_group_offsets(group)
                break
            except GroupError as error:
                # a broker that no group has used yet makes its topic of offsets first
                if not error.retriable or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(RETRY_S)
    except (GroupError, OSError, TimeoutError) as error:
        raise NotReachableError(f"Kafka at {kafka} does not answer: {error}") from None
    finally:
        await admin.close()
    found: dict[int, tuple[int, str | None]] = {}
    for partition, value in offsets.items():
        mark = decode_mark(value.metadata or "") if partition.topic == topic and value.offset >= 0 else None
        if mark is not None:
            found[partition.partition] = (value.offset, mark.config)
    return found


def _consumer(kafka: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "iskra.readers",  # required by the client; never joined
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 2,
            "fetch.wait.max.ms": 20,
            **UNCOMMITTED,
            **QUICK_CLIENT,
        }
    )


def _partitions(consumer: Consumer, kafka: str, topic: str) -> list[int]:
    try:
        found = consumer.list_topics(topic, timeout=ANSWER_TIMEOUT_S).topics[topic]
    except KafkaException as error:
        raise NotReachableError(f"Kafka at {kafka} does not answer: {error.args[0].str()}") from None
    if found.error is not None:
        raise NotReachableError(f"Kafka at {kafka} has no topic {topic}: start `iskra up` or a worker first, or name another --namespace")
    return sorted(found.partitions)


def _records(consumer: Consumer, kafka: str, topic: str, partition: int, start: int) -> Iterator[Message]:
    """The records of a partition from offset `start` up to the end that it has now."""
    deadline = time.monotonic() + READ_TIMEOUT_S
    consumer.assign([TopicPartition(topic, partition, start)])
    while True:
        if time.monotonic() > deadline:
            raise NotReachableError(f"Kafka at {kafka}: {topic} could not be read within {READ_TIMEOUT_S:g} s")
        for message in consumer.consume(BATCH, 0.05):
            error = message.error()
            if error is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's constants are named so
                return
            else:
                raise NotReachableError(f"Kafka at {kafka}: {topic}: {error.str()}")


def differences(old: Config, new: Config) -> list[tuple[str, Any, Any]]:
    """Each setting that differs: its path, its old and its new value (None: absent). Durations are in ms."""
    before, after = _leaves(old), _leaves(new)
    return [
        (path, before.get(path), after.get(path)) for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)
    ]


def _leaves(config: Config) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, f"{path}.{key}" if path else key)
        elif value is not None:
            found[path] = value

    walk(msgspec.to_builtins(config, enc_hook=int), "")
    return found
