"""Topics on a real broker, against the registry."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its own documentation imports them from here

from iskra.stack import topics
from iskra.stack.errors import NotReachableError, TopicMismatchError
from iskra.stack.ports import free_port
from iskra.stack.topics import ensure_topics, report
from schemas.topics import DEFAULT_PARTITIONS, LIVE_NAMESPACE, POINTS, TOPICS, full_name

pytestmark = pytest.mark.kafka


def test_topics_are_created_as_the_registry_says(kafka: str, namespace: str) -> None:
    """Every topic of the registry is there, with its partitions and its settings: nothing is found wrong."""
    reports = report(kafka, namespace)
    assert [r.name for r in reports] == [full_name(namespace, spec.name) for spec in TOPICS]
    assert [r.findings for r in reports] == [[] for _ in TOPICS]
    assert {r.partitions for r in reports if r.spec.copartitioned} == {DEFAULT_PARTITIONS}


def test_a_new_topic_takes_records_at_once(kafka: str) -> None:
    """Each partition has its log when the call returns: nothing is refused, so that no batch can overtake another's next try."""
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "reader"})
    try:
        for _ in range(3):
            fresh = f"t{uuid.uuid4().hex[:10]}"
            ensure_topics(kafka, fresh)
            for partition in range(DEFAULT_PARTITIONS):
                assert reader.get_watermark_offsets(TopicPartition(full_name(fresh, POINTS), partition), timeout=10) == (0, 0)
    finally:
        reader.close()


def test_a_topic_that_the_broker_does_not_list_yet_is_waited_for(kafka: str) -> None:
    """The controller has made it, the broker hears of it a moment later: who asks in between goes on asking."""
    name = f"t{uuid.uuid4().hex[:10]}"
    making = AdminClient({"bootstrap.servers": kafka})
    later = threading.Timer(0.3, lambda: making.create_topics([NewTopic(name, 1)]))
    later.start()
    topics._await_logs(kafka, {name: 1})
    later.join()


def test_ensuring_twice_changes_nothing(kafka: str, namespace: str) -> None:
    """A second call finds everything there, and a broker stamps points in the live namespace alone."""
    ensure_topics(kafka, namespace)
    ensure_topics(kafka, LIVE_NAMESPACE)
    kinds = {ns: report(kafka, ns)[0].settings["message.timestamp.type"] for ns in (namespace, LIVE_NAMESPACE)}
    assert kinds == {namespace: "CreateTime", LIVE_NAMESPACE: "LogAppendTime"}


def test_a_wrong_partition_count_is_told(kafka: str, namespace: str) -> None:
    """A topic with another partition count is an error that names it, both counts and what to do."""
    with pytest.raises(TopicMismatchError, match=rf"{namespace}\.metrics\.points has 4 partitions, expected 6.*--partitions"):
        ensure_topics(kafka, namespace, 6)


def test_settings_that_differ_are_found(kafka: str, namespace: str) -> None:
    """A deleted topic is reported as absent, and a count that differs from the points topic's is reported."""
    client = AdminClient({"bootstrap.servers": kafka})
    for future in client.delete_topics([full_name(namespace, "slo.windows")]).values():
        future.result()
    deadline = time.monotonic() + 20
    while full_name(namespace, "slo.windows") in client.list_topics(timeout=5).topics:
        assert time.monotonic() < deadline, "the topic is still there"
        time.sleep(0.02)
    found = {r.spec.name: r.findings for r in report(kafka, namespace, partitions=5)}
    assert found["slo.windows"] == ["absent"]
    assert found["slo.status"] == ["4 partitions, expected 5"]
    assert found["config"] == []


def test_a_broker_that_is_away_is_told() -> None:
    """Where nothing listens the error names the address."""
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(NotReachableError, match=address):
        report(address, "iskra", timeout=0.5)
