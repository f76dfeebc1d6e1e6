"""The embedded broker: start, stop, kill -9, and what is told when it cannot start."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from iskra.stack import jars
from iskra.stack.errors import DataDirError, MissingToolError, PortInUseError
from iskra.stack.kafka import QUICK_CLIENT, EmbeddedKafka
from iskra.stack.topics import ensure_topics
from schemas.topics import WINDOWS, full_name

pytestmark = pytest.mark.kafka
RECORDS = 2_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, not yet started; killed at the end."""
    made = EmbeddedKafka(tmp_path)
    yield made
    made.kill()


def _publish(kafka: str, topic: str, start: int, count: int) -> set[int]:
    """Publishes numbers; gives those that were acknowledged."""
    producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 2, **QUICK_CLIENT})
    acknowledged: set[int] = set()

    def told(error: KafkaError | None, message: Message) -> None:
        if error is None:
            acknowledged.add(int(message.value() or b"-1"))

    for number in range(start, start + count):
        producer.produce(topic, value=b"%d" % number, partition=number % 4, on_delivery=told)
        producer.poll(0)
    producer.flush(60)
    return acknowledged


def _read(kafka: str, topic: str, count: int) -> list[int]:
    """The first `count` numbers of the topic's four partitions."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "test", "auto.offset.reset": "earliest", **QUICK_CLIENT})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(4)])
    found: list[int] = []
    while len(found) < count:
        messages = consumer.consume(count, 30)
        assert messages, f"{len(found)} of {count} records are there"
        found += [int(message.value() or b"-1") for message in messages if message.error() is None]
    consumer.close()
    return found


def test_what_was_acknowledged_survives_kill_and_stop(broker: EmbeddedKafka) -> None:
    """After kill -9, and after a clean stop, the broker comes back at its address with each acknowledged record once."""
    broker.start()
    address = broker.bootstrap
    ensure_topics(address, "kept")
    topic = full_name("kept", WINDOWS)
    acknowledged = _publish(address, topic, 0, RECORDS)
    broker.kill()
    broker.start()
    assert broker.bootstrap == address
    acknowledged |= _publish(address, topic, RECORDS, RECORDS)
    broker.stop()
    assert (broker.data / "log" / ".kafka_cleanshutdown").exists()
    assert not broker.ready()
    broker.start()
    assert len(acknowledged) == 2 * RECORDS
    assert sorted(_read(address, topic, 2 * RECORDS)) == sorted(acknowledged)
    broker.stop()


def test_a_given_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """Where another program listens on the port that was asked for, the error names the port and the way out."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=rf"port {port} is in use.*--kafka"):
            EmbeddedKafka(tmp_path, port=port).start()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"broker": "x"}', '{"broker": 70000}', "\xff"])
def test_ports_that_cannot_be_read_are_chosen_anew(tmp_path: Path, text: str) -> None:
    """What a kill or a full disk left of the file costs the address of the last run, not the start."""
    broker = EmbeddedKafka(tmp_path)
    (broker.data / "log").mkdir(parents=True)
    (broker.data / "log" / "meta.properties").touch()  # formatted: that is not asked here
    (broker.data / "ports.json").write_text(text, encoding="latin-1")
    broker.prepare()
    chosen = broker.port
    assert chosen > 0
    again = EmbeddedKafka(tmp_path)
    again.prepare()
    assert again.port == chosen


def test_ports_are_kept_where_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that ends in the middle is told and leaves the ports of the last run as they were."""
    broker = EmbeddedKafka(tmp_path)
    (broker.data / "log").mkdir(parents=True)
    (broker.data / "log" / "meta.properties").touch()
    broker.prepare()
    before = (broker.data / "ports.json").read_bytes()

    def half(path: Path, data: bytes | str, **_: object) -> int:
        with path.open("wb") as out:
            out.write((data.encode() if isinstance(data, str) else data)[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", half)
    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(DataDirError, match="No space left on device"):
        broker.prepare()
    assert (broker.data / "ports.json").read_bytes() == before


def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Where the data directory cannot be made, the error names it and the option."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(DataDirError, match=r"file/data/kafka: .*--data"):
        EmbeddedKafka(blocked / "data").start()


def test_missing_java_is_told_with_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Java one line says what to install and how."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(MissingToolError, match=r"^Java 17 or newer .*: apt-get install -y openjdk-17-jre-headless$"):
        EmbeddedKafka(tmp_path).start()


def test_missing_maven_is_told_with_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the jars and without Maven one line says what to install and how."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(jars.JARS_ENV, raising=False)
    with pytest.raises(MissingToolError, match=r"^Maven .*: apt-get install -y maven$"):
        jars.ensure_jars(tmp_path / "libs")


def test_jars_that_an_image_brings_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory named in the environment is taken as it is, without Maven."""
    (tmp_path / "b.jar").write_text("")
    (tmp_path / "a.jar").write_text("")
    monkeypatch.setenv(jars.JARS_ENV, str(tmp_path))
    assert jars.ensure_jars() == [tmp_path / "a.jar", tmp_path / "b.jar"]
