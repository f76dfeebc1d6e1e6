"""A driver of virtual time, workers as child processes, dumps of topics, and the engine alone to compare with."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from iskra.verification.compare import OUTPUT_TOPICS
from processors.engine import PartitionEngine, Record
from schemas.config import Config, config_hash, from_json
from schemas.headers import headers_of
from schemas.partitioning import partition_for
from schemas.topics import (
    CONFIG,
    CURRENT,
    DEFAULT_PARTITIONS,
    HEADER_BY,
    HEADER_ENCODING,
    HEADER_ID,
    HEADER_KIND,
    HEADER_ORIGIN,
    KIND_TICK,
    POINTS,
    STATUS,
    UNCOMMITTED,
    full_name,
)

DEADLINE_S = 90.0
START_MS = 1_762_000_000_000
_MIDDLE = {"clarity": 0.80, "chaos": 0.45, "trust": 0.80, "pain": 0.30}


class Said(NamedTuple):
    """One output as it stands on a topic, or as the engine alone says it."""

    topic: str
    partition: int
    key: bytes
    ts: int
    value: bytes


def wait_for(condition: Callable[[], Any], what: str, deadline_s: float = DEADLINE_S) -> Any:
    """The first true result of `condition`; fails after `deadline_s` seconds."""
    deadline = time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {deadline_s:g} s: {what}")


def cut_log(kafka: str, topic: str, before: dict[int, int]) -> None:
    """Takes away the records below these offsets of the partitions, as retention does."""
    admin = AdminClient({"bootstrap.servers": kafka})
    for future in admin.delete_records([TopicPartition(topic, *place) for place in before.items()]).values():
        future.result(30)


def dump(kafka: str, topic: str, partitions: int = DEFAULT_PARTITIONS) -> list[list[Message]]:
    """All records of a topic, by partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": kafka,
            "group.id": "tests",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            **UNCOMMITTED,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    found: list[list[Message]] = [[] for _ in range(partitions)]
    ended: set[int] = set()
    deadline = time.monotonic() + DEADLINE_S
    while len(ended) < partitions:
        assert time.monotonic() < deadline, f"{topic} could not be read"
        for message in consumer.consume(1_000, 0.05):
            error = message.error()
            if error is None:
                found[message.partition() or 0].append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition() or 0)
    consumer.close()
    return found


def bodies(kafka: str, namespace: str) -> dict[str, Config]:
    """All configurations on the topic, by hash."""
    return {(m.key() or b"").decode(): from_json(m.value() or b"") for m in dump(kafka, full_name(namespace, CONFIG), 1)[0]}


def engine_alone(kafka: str, namespace: str, *, live: bool = False) -> dict[str, Said]:
    """What the engine alone says to a dump of the log, by id; each partition begins with its first marker's configuration."""
    configs = bodies(kafka, namespace)
    topic = full_name(namespace, POINTS)
    said: dict[str, Said] = {}
    for number, log in enumerate(dump(kafka, topic)):
        markers = [m for m in log if headers_of(m).get(HEADER_KIND) == b"config"]
        assert markers, f"partition {number} has no marker"
        first = configs[(markers[0].value() or b"").decode()]
        engine = PartitionEngine(first, topic=topic, partition=number, partitions=DEFAULT_PARTITIONS, live=live)
        for message in log:
            headers = {name: value.decode() for name, value in headers_of(message).items()}
            record = Record(
                message.offset() or 0,
                message.timestamp()[1],
                message.value() or b"",
                headers.get(HEADER_KIND),
                headers.get(HEADER_ENCODING),
                headers.get(HEADER_ORIGIN),
            )
            for out in engine.apply(record, configs.__getitem__):
                assert out.id not in said
                said[out.id] = Said(out.topic, number, out.key, out.ts, msgspec.json.encode(out.value))
    return said


def on_topics(kafka: str, namespace: str) -> dict[str, Said]:
    """What stands on the output topics, by id. The same id twice must say the same."""
    found: dict[str, Said] = {}
    for topic in OUTPUT_TOPICS:
        for number, messages in enumerate(dump(kafka, full_name(namespace, topic))):
            for message in messages:
                if HEADER_BY in headers_of(message):
                    continue  # no engine's
                id_ = headers_of(message)[HEADER_ID].decode()
                said = Said(topic, number, message.key() or b"", message.timestamp()[1], message.value() or b"")
                assert found.setdefault(id_, said) == said, id_
    return found


def check(kafka: str, namespace: str, *, live: bool = False) -> dict[str, Said]:
    """Waits until the topics hold all that the engine alone says, and holds that it is nothing else. Gives it."""
    expected = engine_alone(kafka, namespace, live=live)
    wait_for(lambda: records_on(kafka, namespace, *OUTPUT_TOPICS) >= len(expected), f"{len(expected)} outputs on the topics")
    # of what was said twice, all may be there while something else is still missing
    found = wait_for(lambda: len(found := on_topics(kafka, namespace)) >= len(expected) and found, f"{len(expected)} different outputs")
    assert found.keys() - expected.keys() == set()
    assert expected.keys() - found.keys() == set()
    differing = {id_: (found[id_], said) for id_, said in expected.items() if found[id_] != said}
    assert not differing, next(iter(differing.items()))
    return expected


def latest_of(expected: dict[str, Said]) -> dict[bytes, bytes]:
    """Of each metric the status that must stand last on `slo.current`."""
    latest: dict[bytes, bytes] = {}
    for said in expected.values():  # in the order of each partition's log
        if said.topic == STATUS:
            latest[said.key + b"/" + msgspec.json.decode(said.value)["metric"].encode()] = said.value
    return latest


def current(kafka: str, namespace: str) -> dict[bytes, bytes]:
    """What stands last on `slo.current`, by key."""
    last: dict[bytes, bytes] = {}
    for messages in dump(kafka, full_name(namespace, CURRENT)):
        for message in messages:
            if message.value() is None:
                last.pop(message.key() or b"", None)
            else:
                last[message.key() or b""] = message.value() or b""
    return last


def check_current(kafka: str, namespace: str, expected: dict[str, Said]) -> None:
    """Waits until `slo.current` holds the latest of each metric."""
    latest = latest_of(expected)
    assert latest
    wait_for(lambda: current(kafka, namespace) == latest, "the latest statuses on slo.current")


class Load:
    """A driver: points and ticks of virtual time, in a thread, at `steps_per_s` steps of half a second of event time.

    20 subjects × 4 metrics swing through their bands; some points come in arrays, some are late, some are refused.
    """

    def __init__(self, kafka: str, namespace: str, *, subjects: int = 20, steps_per_s: float = 40.0, seed: int = 1) -> None:
        self._producer = Producer(
            {"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 2, "reconnect.backoff.max.ms": 200, "log_level": 0}
        )
        self._topic = full_name(namespace, POINTS)
        self._random = random.Random(seed)
        self._subjects = [f"s{number:03d}" for number in range(subjects)]
        self._pause = 1 / steps_per_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._delivered = 0
        self._sent = 0
        self.steps = 0

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    def end(self) -> None:
        """Stops, once all that was sent is acknowledged."""
        self._ended.set()
        self._thread.join(DEADLINE_S)
        assert self._producer.flush(DEADLINE_S) == 0
        assert self._delivered == self._sent

    def _run(self) -> None:
        while not self._ended.is_set():
            self.step()
            self._producer.poll(0)
            self._ended.wait(self._pause)

    def step(self) -> None:
        """Half a second of event time."""
        ts = START_MS + self.steps * 500
        self.steps += 1
        by_partition: dict[int, list[bytes]] = {}
        for number, subject in enumerate(self._subjects):
            key = f"default/{subject}".encode()
            place = partition_for(key, DEFAULT_PARTITIONS)
            for metric, middle in _MIDDLE.items():
                if self._random.random() < 0.002:
                    self._send(
                        place, key, b'{"subject":"%b","metric":"%b","value":7,"ts":%d}' % (subject.encode(), metric.encode(), ts), ts
                    )
                late = 9_000 if self._random.random() < 0.002 else 0
                value = min(max(middle + 0.2 * math.sin(ts / 20_000 + number) + self._random.gauss(0, 0.02), 0.0), 1.0)
                point = b'{"subject":"%b","metric":"%b","value":%.4f,"ts":%d}' % (subject.encode(), metric.encode(), value, ts - late)
                if number % 2:
                    by_partition.setdefault(place, []).append(point)
                else:
                    self._send(place, key, point, ts)
        for place, points in by_partition.items():
            self._send(place, None, b"[" + b",".join(points) + b"]", ts)
        if self.steps % 2 == 0:
            for place in range(DEFAULT_PARTITIONS):
                self._send(place, None, b"", ts + 500, [(HEADER_KIND, KIND_TICK)])

    def _send(self, place: int, key: bytes | None, value: bytes, ts: int, headers: Any = None) -> None:
        self._producer.produce(self._topic, value, key, place, on_delivery=self._on_delivery, timestamp=ts, headers=headers)
        self._sent += 1

    def _on_delivery(self, error: KafkaError | None, _message: Message) -> None:
        assert error is None
        self._delivered += 1


class WorkerProcess:
    """`iskra worker` as a child; its log is kept in a file."""

    def __init__(self, kafka: str, namespace: str, directory: Path, *options: str, command: list[str] | None = None) -> None:
        self.log = directory / f"worker-{time.monotonic_ns()}.log"
        arguments = ["--kafka", kafka, "--namespace", namespace, "--checkpoint-every", "0.4", *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*(command or [sys.executable, "-m", "iskra", "worker"]), *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(10)

    def said(self, text: str, times: int = 1) -> bool:
        """Whether its log holds a text so many times; fails if the process has ended without."""
        if self.log.read_text(errors="replace").count(text) >= times:
            return True
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
        return False

    def wait_said(self, text: str, times: int = 1) -> None:
        """Waits for a text in its log."""
        wait_for(
            lambda: self.said(text, times), f"{text!r} in the worker's log, which ends:\n{self.log.read_text(errors='replace')[-2000:]}"
        )

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def pause(self) -> None:
        """SIGSTOP."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)


def records_on(kafka: str, namespace: str, *topics: str) -> int:
    """How many records stand on these topics, by the ends of their partitions; 0 while the broker is away."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "tests", "log_level": 0})
    try:
        places = [TopicPartition(full_name(namespace, topic), number) for topic in topics for number in range(DEFAULT_PARTITIONS)]
        return sum(int(consumer.get_watermark_offsets(place, timeout=5)[1]) for place in places)
    except KafkaException:
        return 0
    finally:
        consumer.close()


def statuses_on_topic(kafka: str, namespace: str) -> int:
    """How many statuses stand on the topic."""
    return records_on(kafka, namespace, STATUS)


__all__ = ["Load", "Said", "WorkerProcess", "check", "check_current", "config_hash", "dump", "engine_alone", "wait_for"]
