"""The producer against a real broker."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from iskra.client import BufferFull, Consumer, InvalidPoint, NotAcknowledged, Point, Producer, UnknownTopic, Unreachable
from iskra.stack.kafka import EmbeddedKafka
from iskra.stack.topics import ensure_topics
from schemas.partitioning import partition_for, subject_key

pytestmark = pytest.mark.kafka


def read(kafka: str, namespace: str) -> dict[str, list[float]]:
    """The values of each subject in the order of the log; asserts the partition rule on the way."""
    found: dict[str, list[float]] = {}
    with Consumer(kafka, "metrics.points", namespace=namespace, until_end=True) as consumer:
        for message in consumer:
            assert isinstance(message.value, Point)
            assert message.partition == partition_for(subject_key(message.value.tenant, message.value.subject), 4)
            found.setdefault(message.value.subject, []).append(message.value.value)
    return found


def numbered(subject: str, count: int, start: int = 0) -> list[Point]:
    return [Point(subject=subject, metric="load", value=float(i), ts=1000 + i) for i in range(start, start + count)]


def test_what_threads_send_at_once_arrives_whole_and_in_each_subject_s_order(kafka: str, namespace: str) -> None:
    """Four threads, two subjects each, by send and send_many: every point once, per subject in order."""
    with Producer(kafka, namespace=namespace, batch_points=50) as producer:

        def work(name: str) -> None:
            producer.send_many(numbered(f"{name}-many", 3000))
            for i in range(200):
                producer.send(f"{name}-one", "load", float(i))

        threads = [threading.Thread(target=work, args=(f"s{i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        producer.flush()
        assert producer.acknowledged == 4 * 3200
        assert producer.outstanding == 0
    found = read(kafka, namespace)
    assert found == {f"s{i}-{kind}": [float(v) for v in range(n)] for i in range(4) for kind, n in (("many", 3000), ("one", 200))}


def test_leaving_the_context_flushes(kafka: str, namespace: str) -> None:
    """Nothing waits for a linger that never comes; a closed producer takes nothing."""
    with Producer(kafka, namespace=namespace, linger_ms=60_000) as producer:
        producer.send("alpha", "clarity", 0.81, source="dialogue-42")
    assert producer.acknowledged == 1
    assert read(kafka, namespace) == {"alpha": [0.81]}
    producer.close()
    with pytest.raises(RuntimeError, match="closed"):
        producer.send("alpha", "clarity", 0.81)


def test_a_point_goes_by_itself_after_the_linger(kafka: str, namespace: str) -> None:
    """Without a flush the background thread sends; a consumer that follows gets it."""
    with Consumer(kafka, "metrics.points", namespace=namespace, start="end") as consumer, Producer(kafka, namespace=namespace) as producer:
        producer.send("alpha", "clarity", 0.5)
        message = consumer.poll(20.0)
        assert message is not None
        assert message.key == "default/alpha"


def test_a_bad_point_ends_send_many_where_it_stands(kafka: str, namespace: str) -> None:
    """Those before it are sent, it and those after are not; with `refuse` all good ones are."""
    mixed = [*numbered("a", 2), Point(subject="a", metric="load", value=float("nan"), ts=1), *numbered("a", 1, 2)]
    told: list[int] = []
    with Producer(kafka, namespace=namespace) as producer:
        with pytest.raises(InvalidPoint, match="value") as error:
            producer.send_many(mixed)
        assert error.value.index == 2
        assert producer.send_many(mixed, lambda index, _: told.append(index)) == 3
    assert told == [2]
    assert read(kafka, namespace) == {"a": [0.0, 1.0, 0.0, 1.0, 2.0]}


def test_a_broker_that_is_away_pushes_back_and_nothing_is_lost_when_it_returns(tmp_path: Path) -> None:
    """The buffer fills, sending is refused in time, flush names what waits; after the broker's return all is acknowledged."""
    broker = EmbeddedKafka(tmp_path)
    broker.start()
    try:
        ensure_topics(broker.bootstrap, "away", 4)
        producer = Producer(broker.bootstrap, namespace="away", buffer_points=100, block_timeout=0.2)
        producer.send_many(numbered("a", 10))
        producer.flush()
        broker.kill()
        with pytest.raises(BufferFull) as full:
            producer.send_many(numbered("a", 150, 10))
        assert full.value.taken == 100
        with pytest.raises(NotAcknowledged) as waiting:
            producer.flush(0.1)
        assert waiting.value.pending
        assert [point.value for point in waiting.value.points] == [float(i) for i in range(10, 110)]
        broker.start()
        producer.close(60.0)
        assert producer.acknowledged == 110
        assert read(broker.bootstrap, "away") == {"a": [float(i) for i in range(110)]}
    finally:
        broker.stop()


def test_points_that_were_given_up_are_named(tmp_path: Path) -> None:
    """Closing without a broker gives up and says which points; an exception of the caller's own is not hidden."""
    broker = EmbeddedKafka(tmp_path)
    broker.start()
    try:
        ensure_topics(broker.bootstrap, "gone", 4)
        first, second = (Producer(broker.bootstrap, namespace="gone", delivery_timeout=0.5) for _ in range(2))
    finally:
        broker.kill()
    first.send("alpha", "load", 1.0, ts=5, tenant="t2", source="x")
    with pytest.raises(NotAcknowledged) as lost:
        first.close(20.0)
    assert lost.value.points == [Point(subject="alpha", metric="load", value=1.0, ts=5, tenant="t2", source="x")]
    assert not lost.value.pending
    assert lost.value.reasons

    def fail() -> None:
        with second:
            second.send("alpha", "load", 1.0)
            raise KeyError("mine")

    with pytest.raises(KeyError) as own:
        fail()
    assert "1 points were not acknowledged" in own.value.__notes__[0]


def test_what_is_missing_is_said_at_the_start(kafka: str) -> None:
    """No broker and no topic are different errors, and both come at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="no Kafka broker answered"):
            Producer(f"127.0.0.1:{unused.getsockname()[1]}", connect_timeout=0.3)
    with pytest.raises(UnknownTopic, match=r"nowhere\.metrics\.points"):
        Producer(kafka, namespace="nowhere")
    with pytest.raises(ValueError, match="linger_ms"):
        Producer(kafka, linger_ms=-1)
