"""Sinks as child processes, producers of records, and what stands in the tables."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer

from iskra.settings import CLICKHOUSE_PASSWORD_ENV
from iskra.stack import children
from schemas.outputs import DeadLetter, Evidence, PreviousStatus, SloStatus, WindowStats
from schemas.partitioning import partition_for, subject_key
from schemas.topics import DEFAULT_PARTITIONS, HEADER_ID, POINTS, full_name
from sinks.clickhouse.settings import Admission, Settings, database

VITALS = dict.fromkeys(("clarity", "chaos", "trust", "pain"), (0.0, 1.0))


def settings(store: Any, kafka: str, namespace: str, **other: Any) -> Settings:
    """Settings of a sink between the fixtures' broker and store."""
    base: dict[str, Any] = {"instance": "sink", "live": False, "admission": Admission(ranges=VITALS)}
    return Settings(kafka=kafka, clickhouse=store.url, user="iskra", password=store.password, namespace=namespace, **{**base, **other})


class SinkProcess:
    """`iskra sink clickhouse`, to be started, killed and stopped."""

    def __init__(self, store: Any, kafka: str, namespace: str, log: Path, instance: str = "sink") -> None:
        self._command = [sys.executable, "-m", "iskra", "sink", "clickhouse", "--kafka", kafka, "--clickhouse", store.url]
        self._command += ["--namespace", namespace, "--instance-id", instance]
        self._environment = {**os.environ, CLICKHOUSE_PASSWORD_ENV: store.password}
        self.log = log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> SinkProcess:
        self.process = children.spawn(self._command, log=self.log, env=self._environment)
        return self

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        children.signal_group(self.process.pid, number)

    def kill(self) -> None:
        """kill -9, and waits for the end."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.signal(signal.SIGTERM)
        assert self.process is not None
        return self.process.wait(60)


class Records:
    """Sends records of one namespace, and counts what is acknowledged."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 1})
        self._namespace = namespace
        self.failed: list[Any] = []

    def send(
        self,
        short: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int = 0,
        ts: int = 1_762_000_000_000,
        headers: Any = (),
    ) -> None:
        """One record, not waited for."""
        topic = full_name(self._namespace, short)
        self._producer.produce(topic, value, key, partition, timestamp=ts, headers=list(headers), on_delivery=self._note)
        self._producer.poll(0)

    def _note(self, error: Any, _: Any) -> None:
        if error is not None:
            self.failed.append(error)

    def points(self, points: list[dict[str, Any]], subject: str, **other: Any) -> None:
        """An array of points of one subject, in the partition where it belongs."""
        home = partition_for(subject_key("default", subject), DEFAULT_PARTITIONS)
        full = [{"subject": subject, "metric": "clarity", "value": 0.5, "ts": 1_762_000_000_000, **point} for point in points]
        self.send(POINTS, msgspec.json.encode(full), partition=home, **other)

    def output(self, short: str, identity: str, value: msgspec.Struct | None, *, key: bytes = b"default/alpha") -> None:
        """An output with its id."""
        encoded = msgspec.json.encode(value) if value is not None else None
        self.send(short, encoded, key=key, headers=[(HEADER_ID, identity.encode())])

    def flush(self) -> None:
        """Waits until all is acknowledged."""
        assert self._producer.flush(60) == 0
        assert self.failed == []


WINDOW = WindowStats("default", "alpha", "clarity", 1_762_000_000_000, 10_000, 3, 0.5, 0.4, 0.6, 0.5, 0.05, 0.5, None, 1)
STATUS = SloStatus(
    tenant="default",
    subject="alpha",
    metric="clarity",
    level="WARN",
    priority="P2",
    reason=None,
    previous=PreviousStatus("OK", None, 1_762_000_000_000),
    value=0.87,
    fast_value=None,
    statistic="mean",
    window_ms=30_000,
    bound=0.85,
    side="high",
    since=1_762_000_007_123,
    evidence=Evidence(3, 0, "x.metrics.points", 0, 1, 4, []),
    config="abcdef012345",
)
LETTER = DeadLetter("out_of_range", "value: 7 — нет", None, "alpha", "clarity", "x.metrics.points", 1, 5, 2, "e30=")


def table(namespace: str, name: str) -> str:
    """A table's full name."""
    return f"{database(namespace)}.{name}"
