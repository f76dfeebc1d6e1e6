"""Topics on the broker: creates what the registry lists, and compares what is there with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its own documentation imports them from here
    AdminClient,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from iskra.stack.errors import NotReachableError, TopicMismatchError
from iskra.stack.kafka import QUICK_CLIENT
from schemas.topics import DEFAULT_PARTITIONS, TOPICS, TopicSpec, full_name

ANSWER_TIMEOUT_S = 10.0
"""One request to a broker that is up takes milliseconds; a broker that was killed is back within 5 s."""
LEADER_TIMEOUT_S = 20.0
"""A new topic has its leaders within 0.2 s; 20 s for a machine that is busy."""


class TopicReport(msgspec.Struct, frozen=True, kw_only=True):
    """One topic of the registry as the broker has it: `partitions` is None if it is absent; `findings` say what is wrong."""

    name: str
    spec: TopicSpec
    expected_partitions: int
    partitions: int | None
    settings: dict[str, str]
    findings: list[str]


def admin(kafka: str) -> AdminClient:
    """An admin client of the broker at `kafka` (HOST:PORT); it connects at its first request."""
    return AdminClient({"bootstrap.servers": kafka, **QUICK_CLIENT})


def expected_partitions(spec: TopicSpec, partitions: int) -> int:
    """How many partitions the topic is to have where co-partitioned ones have `partitions`."""
    return partitions if spec.copartitioned else 1


def ensure_topics(kafka: str, namespace: str, partitions: int = DEFAULT_PARTITIONS) -> None:
    """Creates the registry's topics that `namespace` lacks and waits until each of them all has its leaders and logs.

    Raises:
        NotReachableError: the broker does not answer. TopicMismatchError: a topic exists with another number of partitions.
    """
    client = admin(kafka)
    present = partition_counts(client, kafka)
    wrong = [
        f"{name} has {present[name]} partitions, expected {count}"
        for spec in TOPICS
        if (name := full_name(namespace, spec.name)) in present and present[name] != (count := expected_partitions(spec, partitions))
    ]
    if wrong:
        raise TopicMismatchError(f"{'; '.join(wrong)}: start with the count that is there (--partitions), or use another --namespace")
    new = [
        NewTopic(full_name(namespace, spec.name), expected_partitions(spec, partitions), config=spec.settings(namespace))
        for spec in TOPICS
        if full_name(namespace, spec.name) not in present
    ]
    made = client.create_topics(new, operation_timeout=ANSWER_TIMEOUT_S) if new else {}
    for name, future in made.items():
        try:
            future.result()
        except KafkaException as error:
            # another process of this stack may create them at the same time
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise NotReachableError(f"{kafka} refused to create {name}: {error.args[0].str()}") from None
    # of those that are there, too: another process may be making them
    _await_logs(kafka, {full_name(namespace, spec.name): expected_partitions(spec, partitions) for spec in TOPICS})


def partition_counts(client: AdminClient, kafka: str, timeout: float = ANSWER_TIMEOUT_S) -> dict[str, int]:
    """Every topic of the broker with its number of partitions.

    Raises:
        NotReachableError: the broker does not answer within `timeout` seconds.
    """
    try:
        metadata = client.list_topics(timeout=timeout)
    except KafkaException as error:
        raise NotReachableError(f"Kafka at {kafka} does not answer: {error.args[0].str()}") from None
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _await_logs(kafka: str, counts: Mapping[str, int]) -> None:
    """Waits until each partition (so many of each topic) answers for its log.

    The broker tells a leader some tenths of a second before it has made the log, and refuses what comes meanwhile. A producer's second
    batch may then be there before its first one's next try, which is taken for an old one: acknowledged, and lost.
    """
    deadline = time.monotonic() + LEADER_TIMEOUT_S
    reader = _reader(kafka)
    try:
        for place in [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]:
            while True:
                try:
                    reader.get_watermark_offsets(place, timeout=ANSWER_TIMEOUT_S)
                    break
                except KafkaException:
                    if time.monotonic() > deadline:
                        where = f"{place.topic} {place.partition}"
                        raise NotReachableError(f"Kafka at {kafka} has no leader for {where} after {LEADER_TIMEOUT_S:g} s") from None
                    time.sleep(0.02)
                    # a client that was refused went on being refused for 20 s at times, though the log stood on disk
                    reader.close()
                    reader = _reader(kafka)
    finally:
        reader.close()


def _reader(kafka: str) -> Consumer:
    return Consumer({"bootstrap.servers": kafka, "group.id": "iskra-topics", **QUICK_CLIENT})


def report(kafka: str, namespace: str, partitions: int | None = None, timeout: float = ANSWER_TIMEOUT_S) -> list[TopicReport]:
    """The registry's topics as the broker has them, with what is wrong about each.

    `partitions` is the number expected of co-partitioned topics; None takes that of the points topic.

    Raises:
        NotReachableError: the broker does not answer within `timeout` seconds.
    """
    client = admin(kafka)
    present = partition_counts(client, kafka, timeout)
    if partitions is None:
        partitions = present.get(full_name(namespace, TOPICS[0].name), DEFAULT_PARTITIONS)
    names = [full_name(namespace, spec.name) for spec in TOPICS]
    settings = _settings(client, kafka, [name for name in names if name in present])
    return [
        _report_one(name, spec, namespace, expected_partitions(spec, partitions), present.get(name), settings.get(name, {}))
        for name, spec in zip(names, TOPICS, strict=True)
    ]


def _report_one(name: str, spec: TopicSpec, namespace: str, expected: int, count: int | None, found: dict[str, str]) -> TopicReport:
    findings: list[str] = []
    if count is None:
        findings.append("absent")
    else:
        if count != expected:
            findings.append(f"{count} partitions, expected {expected}")
        wanted = spec.settings(namespace)
        findings += [f"{key}={found.get(key)}, expected {value}" for key, value in wanted.items() if found.get(key) != value]
    relevant = {key: found[key] for key in spec.settings(namespace) if key in found}
    return TopicReport(name=name, spec=spec, expected_partitions=expected, partitions=count, settings=relevant, findings=findings)


def _settings(client: AdminClient, kafka: str, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    futures: dict[Any, Any] = client.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    try:
        return {
            resource.name: {key: entry.value for key, entry in future.result(ANSWER_TIMEOUT_S).items()}
            for resource, future in futures.items()
        }
    except KafkaException as error:
        raise NotReachableError(f"Kafka at {kafka} did not tell its topics' settings: {error.args[0].str()}") from None
