"""The consumer against a real broker: typed values, places, ends, groups."""

from __future__ import annotations

import datetime as dt
import itertools
import time
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer as KafkaProducer

from iskra import client
from iskra.client import Consumer, DeadLetter, Message, Point, UnknownTopic, Unreadable
from schemas.topics import full_name

pytestmark = pytest.mark.kafka

LETTER = DeadLetter("invalid", "d", "default", "a", None, "t", 0, 1, 0, "")


class Writer:
    """Writes raw records, each acknowledged before the next."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self.namespace = namespace
        self.kafka = KafkaProducer({"bootstrap.servers": kafka, "linger.ms": 0})

    def __call__(self, topic: str, value: bytes | None, partition: int = 0, **options: Any) -> None:
        self.kafka.produce(full_name(self.namespace, topic), value=value, partition=partition, **options)
        assert self.kafka.flush(20) == 0


@pytest.fixture
def write(kafka: str, namespace: str) -> Writer:
    return Writer(kafka, namespace)


def read(kafka: str, namespace: str, topics: str | list[str], **options: Any) -> list[Message]:
    with Consumer(kafka, topics, namespace=namespace, until_end=True, **options) as consumer:
        return list(consumer)


def test_points_come_one_by_one_and_other_kinds_not_at_all(kafka: str, namespace: str, write: Writer) -> None:
    """Arrays are taken apart, msgpack is read, ticks are skipped, what cannot be read is counted and costs no neighbour."""
    one = {"subject": "a", "metric": "load", "value": 1.0, "ts": 1}
    write("metrics.points", msgspec.json.encode(one), key=b"default/a", timestamp=77)
    write("metrics.points", b"", headers={"kind": b"tick"})
    write("metrics.points", msgspec.msgpack.encode([one, one | {"value": 2.0}]), headers={"encoding": b"msgpack"})
    write("metrics.points", b'[{"subject":"a"},' + msgspec.json.encode(one | {"value": 3.0}) + b"]")
    write("metrics.points", b"\xff")
    with Consumer(kafka, "metrics.points", namespace=namespace, until_end=True) as consumer:
        found = list(consumer)
        assert consumer.unreadable == 2
        assert consumer.at_end
    assert [(m.id, m.value.value) for m in found if isinstance(m.value, Point)] == [
        ("0-0-0", 1.0),
        ("0-2-0", 1.0),
        ("0-2-1", 2.0),
        ("0-3-1", 3.0),
    ]
    assert (found[0].key, found[0].ts) == ("default/a", 77)


def test_outputs_are_typed_and_come_once(kafka: str, namespace: str, write: Writer) -> None:
    """What a restarted worker wrote again is dropped by id; the rest comes in order, with key, id and headers."""
    for output_id in ("0-1-0-0-dead", "0-2-0-0-dead", "0-1-0-0-dead", "0-2-0-0-dead", "0-2-0-1-dead", "0-3-0-0-dead"):
        write("dead-letters", msgspec.json.encode(LETTER), key=b"default/a", headers={"id": output_id.encode()})
    found = read(kafka, namespace, "dead-letters")
    assert [m.id for m in found] == ["0-1-0-0-dead", "0-2-0-0-dead", "0-2-0-1-dead", "0-3-0-0-dead"]
    assert {m.value for m in found} == {LETTER}
    assert found[0].headers == {"id": b"0-1-0-0-dead"}


def test_a_removed_key_is_a_message_without_value(kafka: str, namespace: str, write: Writer) -> None:
    """A tombstone on the compacted topic says that the key is gone."""
    write("slo.current", None, key=b"default/a/clarity")
    [message] = read(kafka, namespace, "slo.current")
    assert (message.key, message.value) == ("default/a/clarity", None)


def test_reading_begins_at_a_time(kafka: str, namespace: str, write: Writer) -> None:
    """Milliseconds or an aware datetime; a time behind the end gives nothing; a naive one is refused."""
    for n, ts in enumerate((1000, 2000, 3000)):
        write("dead-letters", msgspec.json.encode(LETTER), headers={"id": f"0-{n}-0-0-dead".encode()}, timestamp=ts)
    assert [m.ts for m in read(kafka, namespace, "dead-letters", start=1500)] == [2000, 3000]
    assert [m.ts for m in read(kafka, namespace, "dead-letters", start=dt.datetime.fromtimestamp(3, dt.UTC))] == [3000]
    assert read(kafka, namespace, "dead-letters", start=4000) == []
    assert read(kafka, namespace, "dead-letters", start="end") == []
    with pytest.raises(ValueError, match="zone"):
        read(kafka, namespace, "dead-letters", start=dt.datetime(2026, 1, 1))  # noqa: DTZ001 - the very mistake


def test_a_group_goes_on_where_it_committed(kafka: str, namespace: str, write: Writer) -> None:
    """Only what was handed out is committed; the next member begins right behind it, whole records at a time."""
    array = [{"subject": "a", "metric": "load", "value": float(i), "ts": 1} for i in range(2)]
    write("metrics.points", msgspec.json.encode(array))
    write("metrics.points", b"", headers={"kind": b"tick"})
    write("metrics.points", msgspec.json.encode(array[0]))
    group = f"{namespace}-g"

    def values(count: int) -> list[str]:
        with Consumer(kafka, "metrics.points", namespace=namespace, group=group) as consumer:
            found = [message.id for message in itertools.islice(consumer, count)]
            consumer.commit()
            return found

    assert values(1) == ["0-0-0"]
    assert values(2) == ["0-0-0", "0-0-1"], "the array was not out, so it comes again"
    assert values(1) == ["0-2-0"]


@pytest.mark.parametrize("grouped", [False, True])
def test_polling_without_time_takes_what_is_there(kafka: str, namespace: str, write: Writer, grouped: bool) -> None:
    """Asked again and again, it begins to read, and joins its group, as with any other time."""
    write("dead-letters", msgspec.json.encode(LETTER), headers={"id": b"0-1-0-0-dead"})
    with Consumer(kafka, "dead-letters", namespace=namespace, group=f"{namespace}-g" if grouped else None) as consumer:
        deadline = time.monotonic() + 60
        message = None
        while message is None and time.monotonic() < deadline:
            message = consumer.poll(0)
            time.sleep(0.01)
        assert message is not None
        assert message.id == "0-1-0-0-dead"


def test_a_message_that_does_not_fit_is_told_with_its_place(kafka: str, namespace: str, write: Writer) -> None:
    """And the next call goes on behind it."""
    write("dead-letters", b'{"reason":1}', headers={"id": b"0-1-0-0-dead"})
    write("dead-letters", msgspec.json.encode(LETTER), headers={"id": b"0-2-0-0-dead"})
    with Consumer(kafka, "dead-letters", namespace=namespace, until_end=True) as consumer:
        with pytest.raises(Unreadable, match=r"dead-letters 0-0: .*reason"):
            consumer.poll(20)
        message = consumer.poll(20)
        assert message is not None
        assert message.id == "0-2-0-0-dead"


def test_what_is_no_output_tells_no_place_and_may_be_skipped(kafka: str, namespace: str, write: Writer) -> None:
    """Rubbish with the id of a later output, with a body or without, hides nothing that comes after it."""
    write("dead-letters", msgspec.json.encode(LETTER), headers={"id": b"0-1-0-0-dead"})
    for value in (None, b"{}", b"[" * 5_000):
        write("dead-letters", value, headers={"id": b"0-99999-0-0-dead"})
    write("dead-letters", msgspec.json.encode(LETTER), headers={"id": b"0-2-0-0-dead"})
    with Consumer(kafka, "dead-letters", namespace=namespace, until_end=True, skip_unreadable=True) as consumer:
        assert [message.id for message in consumer] == ["0-1-0-0-dead", "0-2-0-0-dead"]
        assert consumer.unreadable == 3


def test_what_cannot_be_asked_for_is_refused(kafka: str, namespace: str) -> None:
    """Internal topics, unknown namespaces and contradicting options."""
    with pytest.raises(ValueError, match="expected some of"):
        Consumer(kafka, "checkpoints", namespace=namespace)
    with pytest.raises(UnknownTopic):
        Consumer(kafka, "slo.status", namespace="nowhere")
    with pytest.raises(ValueError, match="group"):
        Consumer(kafka, "slo.status", namespace=namespace, group="g", until_end=True)
    with Consumer(kafka, "slo.status", namespace=namespace) as consumer:
        assert consumer.poll(0.05) is None
        with pytest.raises(RuntimeError, match="group"):
            consumer.commit()


def test_the_public_surface_is_what_is_listed() -> None:
    """Every listed name is there; nothing else is promised."""
    assert sorted(client.__all__) == [
        "ActionEvent", "Actor", "AlertEvent", "BudgetState", "BufferFull", "ClientError", "Commander", "Config", "Consumer", "DeadLetter",
        "EscalationEvent", "InvalidPoint", "Message", "NotAcknowledged", "Place", "Point", "Producer", "SignalsSample", "SloStatus",
        "Start", "UnknownTopic", "Unreachable", "Unreadable", "Value", "VoiceEvent", "WindowStats",
    ]  # fmt: skip
    assert all(hasattr(client, name) for name in client.__all__)
