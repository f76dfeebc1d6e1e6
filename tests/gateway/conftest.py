"""A gateway as a child process, and hands to write what a worker would write."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import websockets
from confluent_kafka import Consumer, Producer, TopicPartition

from iskra.settings import CLICKHOUSE_PASSWORD_ENV
from iskra.stack import children, ports
from iskra.stack.topics import ensure_topics
from schemas.outputs import Evidence, Level, Priority, RungState, SloStatus, UnknownReason
from schemas.partitioning import partition_for, subject_key
from schemas.topics import CURRENT, DEFAULT_PARTITIONS, HEADER_ID, STATUS, full_name

DEADLINE_S = 60.0
NOWHERE = "http://127.0.0.1:1"
"""No ClickHouse: what is tested needs none."""


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of `condition`, asked until the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not in {DEADLINE_S} s: {what}"
        time.sleep(0.02)


class Running:
    """A gateway process."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log
        self.url = f"http://127.0.0.1:{port}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=DEADLINE_S)

    def alive(self) -> bool:
        with self.client() as client:
            return client.get("/healthz").status_code == 200

    def part(self, name: str) -> bool:
        with self.client() as client:
            return bool(client.get("/readyz").json()["parts"][name]["up"])

    def told(self) -> str:
        return self.log.read_text(errors="replace")

    def metric(self, name: str) -> float:
        """A figure of /metrics, by name and labels as they stand there; 0 if it is not there."""
        with self.client() as client:
            lines = client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name + " ")), 0.0)

    @asynccontextmanager
    async def socket(self, **options: Any) -> AsyncIterator[Socket]:
        async with websockets.connect(f"ws://127.0.0.1:{self.port}/ws", max_size=64 * 1024 * 1024, **options) as connection:
            yield Socket(connection)


class Socket:
    """A WebSocket client that speaks JSON."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection

    async def send(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def subscribe(self, namespace: str | None, **more: Any) -> None:
        await self.send(
            **{"op": "subscribe", "namespace": namespace, "tenant": None, "subject": None, "points": False, "resume": None, **more}
        )

    async def next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.connection.recv())
        return message

    async def until(self, kind: str, *having: str) -> dict[str, Any]:
        """The next message of that type that has these fields; others are passed over."""
        while True:
            message = await self.next()
            if message["type"] == kind and all(field in message for field in having):
                return message


@pytest.fixture(scope="session")
def spawn_gateway(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Running]]:
    """Starts gateways: `spawn_gateway(namespaces=[…], limits={…}, …)` waits until it listens and sees Kafka."""
    started: list[Running] = []

    def spawn(**options: Any) -> Running:
        port = options.setdefault("port", ports.free_port())
        options = {"kafka": kafka, "clickhouse": NOWHERE, **options}
        environment = {**os.environ, CLICKHOUSE_PASSWORD_ENV: options.pop("password", "")}
        wait_for = options.pop("wait_for", "kafka")
        log = tmp_path_factory.mktemp("gateway") / "log"
        process = children.spawn([sys.executable, "-m", "tests.gateway.serve", json.dumps(options)], log=log, env=environment)
        running = Running(process, port, log)
        started.append(running)

        def answers() -> bool:
            assert process.poll() is None, running.told()[-2000:]
            with contextlib.suppress(httpx.TransportError):
                return running.alive() if wait_for is None else running.part(wait_for)
            return False

        eventually(answers, "the gateway answers")
        return running

    yield spawn
    for running in started:
        running.process.kill()
        running.process.wait(10)


@pytest.fixture(scope="module")
def space(kafka: str) -> str:
    """A namespace that the tests of a module share."""
    name = f"t{uuid.uuid4().hex[:10]}"
    ensure_topics(kafka, name, DEFAULT_PARTITIONS)
    return name


@pytest.fixture(scope="module")
def gateway(spawn_gateway: Callable[..., Running], space: str) -> Running:
    """A gateway over `space`, without ClickHouse."""
    return spawn_gateway(namespaces=[space], explain=True)


class Worker:
    """Writes statuses as a worker does: on `slo.status` and on `slo.current`."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self.kafka = kafka
        self.namespace = namespace
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "partitioner": "murmur2_random"})
        self._offset = 0

    def status(
        self,
        subject: str,
        metric: str = "clarity",
        level: Level = "OK",
        *,
        tenant: str = "default",
        since: int = 1_762_435_106_000,
        reason: UnknownReason | None = None,
        priority: Priority | None = None,
        current: bool = True,
        offset: int | None = None,
    ) -> str:
        """Writes a status; returns its id."""
        self._offset += 1
        offset = self._offset if offset is None else offset
        key = subject_key(tenant, subject)
        partition = partition_for(key, DEFAULT_PARTITIONS)
        rungs = [RungState("low", "P2", 0.7, entered=False, since=None)]
        evidence = Evidence(3, 0, full_name(self.namespace, "metrics.points"), partition, 0, offset, rungs)
        value = SloStatus(
            tenant, subject, metric, level, priority, reason, None, 0.8, None, "mean", 30_000, None, None, since, evidence, "c0ffee"
        )  # fmt: skip
        identity = f"{partition}-{offset}-0-0-{'a' * 16}"
        body = msgspec.json.encode(value)
        for short, name in ((STATUS, key), (CURRENT, key + b"/" + metric.encode())):
            if short == STATUS or current:
                self._producer.produce(
                    full_name(self.namespace, short), body, name, partition, headers=[(HEADER_ID, identity.encode())], timestamp=since
                )
        self._producer.flush(10)
        return identity

    def say(self, short: str, message: msgspec.Struct, subject: str, *, tenant: str = "default", offset: int | None = None) -> str:
        """Writes an event of the living part; returns its id."""
        self._offset += 1
        offset = self._offset if offset is None else offset
        key = subject_key(tenant, subject)
        partition = partition_for(key, DEFAULT_PARTITIONS)
        identity = f"{partition}-{offset}-0-0-{'a' * 16}"
        headers: list[tuple[str, str | bytes | None]] = [(HEADER_ID, identity.encode())]
        topic = full_name(self.namespace, short)
        self._producer.produce(topic, msgspec.json.encode(message), key, partition, headers=headers, timestamp=1_762_435_106_000 + offset)
        self._producer.flush(10)
        return identity

    def forget(self, subject: str, metric: str = "clarity", tenant: str = "default") -> None:
        """Writes a tombstone on `slo.current`."""
        key = subject_key(tenant, subject)
        partition = partition_for(key, DEFAULT_PARTITIONS)
        self._producer.produce(full_name(self.namespace, CURRENT), None, key + b"/" + metric.encode(), partition)
        self._producer.flush(10)

    def points(
        self, subject: str, values: list[float], *, metric: str = "clarity", tenant: str = "default", ts: int = 1_762_435_106_000
    ) -> None:
        """Writes points, one message."""
        key = subject_key(tenant, subject)
        items = [{"tenant": tenant, "subject": subject, "metric": metric, "value": value, "ts": ts + i} for i, value in enumerate(values)]
        self.message(key, json.dumps(items).encode())

    def message(self, key: bytes, value: bytes) -> None:
        """Writes a message of points as it is."""
        partition = partition_for(key, DEFAULT_PARTITIONS)
        self._producer.produce(full_name(self.namespace, "metrics.points"), value, key, partition)
        self._producer.flush(10)


@pytest.fixture
def worker(kafka: str, space: str) -> Worker:
    """Writes into `space`."""
    return Worker(kafka, space)


class Record(msgspec.Struct):
    """A record that was read back."""

    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: Any
    headers: dict[str, bytes]


def read_topic(kafka: str, namespace: str, short: str) -> list[Record]:
    """Everything that stands on a topic now, by partition and offset."""
    topic = full_name(namespace, short)
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": uuid.uuid4().hex, "enable.auto.commit": False, "fetch.wait.max.ms": 20})
    found: list[Record] = []
    try:
        for partition in sorted(consumer.list_topics(topic, timeout=10).topics[topic].partitions):
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            if low == high:
                continue
            consumer.assign([TopicPartition(topic, partition, low)])
            position = low
            while position < high:
                messages: list[Any] = consumer.consume(500, 0.02)
                for message in messages:
                    assert message.error() is None
                    position = message.offset() + 1
                    value = json.loads(message.value()) if message.value() else None
                    stands = (partition, message.offset(), message.timestamp()[1], message.key() or b"")
                    found.append(Record(*stands, value, dict(message.headers() or ())))
    finally:
        consumer.close()
    return found


def read_points(kafka: str, namespace: str) -> list[dict[str, Any]]:
    """All points on the log, in order of partition and offset."""
    return [point for record in read_topic(kafka, namespace, "metrics.points") for point in record.value]
