"""Records that are due, as the engine writes them, and notifier processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import yaml
from confluent_kafka import Producer

from iskra.stack import children, ports, probes
from schemas.events import EscalationEvent
from schemas.headers import headers_of
from schemas.partitioning import partition_for, subject_key
from schemas.topics import DEFAULT_PARTITIONS, ESCALATIONS, HEADER_BY, HEADER_ID, full_name
from sinks.notify.book import Due, Record
from tests.notify.receivers import HOOK_SECRET, ROUTING_KEY
from tests.streams.helpers import dump

CHANNELS = ("slack", "pagerduty", "email")


def event(alert: str = "a1", **other: Any) -> EscalationEvent:
    """A step that is due."""
    base: dict[str, Any] = {
        "alert_id": alert,
        "tenant": "default",
        "subject": "alpha",
        "metric": "chaos",
        "priority": "P0",
        "level": "BLOCK",
        "kind": "trigger",
        "step": 0,
        "role": "DevOps Lead",
        "who": "devops-lead",
        "channel": "slack",
        "state": "due",
        "reason": None,
        "due": 1_762_000_000_000,
        "dedup_key": f"{alert}/{other.get('step', 0)}",
        "summary": "chaos of default/alpha is 0.9, above 0.8",
        "value": 0.9,
        "threshold": 0.8,
        "config": "abcdef012345",
    }
    return EscalationEvent(**{**base, **other})


def identity(offset: int, n: int = 0, partition: int = 0) -> str:
    """An id as the engine makes them."""
    return f"{partition}-{offset}-0-{n}-00000000000000aa"


def record(offset: int, told: EscalationEvent, id_: str | None = None, *, ours: bool = False, partition: int = 0) -> Record:
    """A record of the topic; its id is by default that of an output of the input record `offset`."""
    return Record(partition, offset, b"default/alpha", 0, msgspec.json.encode(told), id_ or identity(offset), ours)


def due(offset: int, told: EscalationEvent | None = None) -> Due:
    """A step that is due, as a channel gets it."""
    told = told or event()
    return Due(record(offset, told), told)


def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    """The first true result of `condition`; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
    return found


class Engine:
    """Writes records of `escalations.events` as the engine does."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "enable.idempotence": True, "linger.ms": 1, "message.timeout.ms": 0})
        self._topic = full_name(namespace, ESCALATIONS)
        self._position = 0
        self._failed: list[Any] = []

    def say(self, told: EscalationEvent, id_: str | None = None) -> str:
        """Writes one, not waited for; gives its id."""
        key = subject_key(told.tenant, told.subject)
        partition = partition_for(key, DEFAULT_PARTITIONS)
        self._position += 1
        id_ = id_ or identity(self._position, 0, partition)
        value = msgspec.json.encode(told)
        self._producer.produce(self._topic, value, key, partition, headers=[(HEADER_ID, id_.encode())], on_delivery=self._note)
        self._producer.poll(0)
        return id_

    def _note(self, error: Any, _: Any) -> None:
        if error is not None:
            self._failed.append(error)

    def flush(self) -> None:
        """Waits until all is acknowledged."""
        assert self._producer.flush(60) == 0
        assert self._failed == []


def ledger(kafka: str, namespace: str) -> dict[str, list[EscalationEvent]]:
    """What the notifier wrote, by the id of the due record."""
    found: dict[str, list[EscalationEvent]] = {}
    for messages in dump(kafka, full_name(namespace, ESCALATIONS)):
        for message in messages:
            headers = headers_of(message)
            if headers.get(HEADER_BY) == b"notify":
                told = msgspec.json.decode(message.value() or b"", type=EscalationEvent)
                id_ = headers[HEADER_ID].decode()
                assert id_.endswith(f"-{told.state}")
                found.setdefault(id_.removesuffix(f"-{told.state}"), []).append(told)
    return found


def states(kafka: str, namespace: str) -> dict[str, list[str]]:
    """States in the ledger, by the id of the due record."""
    return {id_: [told.state for told in ends] for id_, ends in ledger(kafka, namespace).items()}


def configuration(folder: Path, adapters: dict[str, dict[str, Any]], channels: dict[str, list[str]], **delivery: Any) -> Path:
    """A configuration directory with this notify.yml; the rest is what comes with Iskra."""
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        "channels": {name: ["log"] for name in CHANNELS} | channels,
        "adapters": {"log": {"type": "log"}} | adapters,
        "delivery": delivery,
    }
    (folder / "notify.yml").write_text(yaml.safe_dump(told))
    return folder


class NotifyProcess:
    """`iskra sink notify`, to be started, killed and stopped. Its secrets are those of the receivers."""

    def __init__(self, kafka: str, namespace: str, config: Path, folder: Path, instance: str = "notify", **environment: str) -> None:
        self.port = ports.free_port()
        self.log = folder / f"{instance}.log"
        self.data = folder / "data"
        self._command = [sys.executable, "-m", "iskra", "sink", "notify", "--kafka", kafka, "--namespace", namespace]
        self._command += ["--config", str(config), "--data", str(self.data), "--metrics-port", str(self.port), "--instance-id", instance]
        self._environment = {**os.environ, "HOOK_SECRET": HOOK_SECRET, "ROUTING_KEY": ROUTING_KEY, **environment}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> NotifyProcess:
        """Starts it; with `wait` until it knows what is owed."""
        self.process = children.spawn(self._command, log=self.log, env=self._environment)
        if wait:
            url = f"http://127.0.0.1:{self.port}/healthz"
            until(lambda: self.process is not None and self.process.poll() is None and probes.answers(url), "the notifier is ready")
        return self

    def signal(self, number: signal.Signals) -> None:
        """A signal to its process group."""
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
