"""What benchmarks run on: the embedded broker alone, or a whole `iskra up`, in a temporary directory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.child import child
from iskra.stack.datadir import DataDir
from iskra.stack.kafka import EmbeddedKafka
from iskra.stack.ports import free_port
from iskra.stack.topics import admin, ensure_topics, partition_counts
from schemas.topics import CONFIG, DEFAULT_PARTITIONS, POINTS, TOPICS, full_name

READY_S = 120.0
STOP_S = 60.0


@contextmanager
def broker() -> Iterator[str]:
    """An embedded broker; gives its address."""
    with tempfile.TemporaryDirectory(prefix="iskra-bench-") as folder:
        kafka = EmbeddedKafka(Path(folder))
        kafka.start()
        try:
            yield kafka.bootstrap
        finally:
            kafka.stop()


def fresh_namespace(kafka: str) -> str:
    """A namespace of its own, with its topics."""
    name = f"bench{uuid.uuid4().hex[:8]}"
    ensure_topics(kafka, name, DEFAULT_PARTITIONS)
    return name


def forget(kafka: str, namespace: str) -> None:
    """Throws away what workers have written there: outputs, checkpoints and commits. The log and the configurations stay.

    Waits until the group has no members.

    Raises:
        RuntimeError: it still has.
    """
    client = admin(kafka)
    deadline = time.monotonic() + STOP_S
    while not _is_deleted(client, f"{namespace}.worker"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the workers' group of {namespace} has members {STOP_S:g} s after they were stopped")
        time.sleep(0.2)
    written = [full_name(namespace, topic.name) for topic in TOPICS if topic.name not in (POINTS, CONFIG)]
    for topic in client.delete_topics(written, operation_timeout=READY_S).values():
        topic.result()
    # the controller has deleted them; the broker, which tells what is there, may list them for some milliseconds more
    while not partition_counts(client, kafka).keys().isdisjoint(written):
        if time.monotonic() > deadline:
            raise RuntimeError(f"topics of {namespace} are still listed {STOP_S:g} s after they were deleted")
        time.sleep(0.02)
    ensure_topics(kafka, namespace, DEFAULT_PARTITIONS)


def _is_deleted(client: AdminClient, group: str) -> bool:
    """Deletes a consumer group; False: it has members."""
    try:
        client.delete_consumer_groups([group])[group].result()
    except KafkaException as error:
        code = error.args[0].code()
        if code not in (KafkaError.NON_EMPTY_GROUP, KafkaError.GROUP_ID_NOT_FOUND):
            raise
        return bool(code == KafkaError.GROUP_ID_NOT_FOUND)
    return True


class Up:
    """A running `iskra up`. `urls` are its addresses; `pids()` are as of now, since parts are restarted."""

    def __init__(self, data: Path, process: subprocess.Popen[str], ready: dict[str, Any], seconds: float) -> None:
        self.data = data
        self.process = process
        self.urls: dict[str, str] = ready["urls"]
        self.metrics: dict[str, str] = ready["metrics"]
        self.ready_s = seconds
        self.password = DataDir(data).password()

    def pids(self) -> dict[str, int]:
        """Process id of each part."""
        pids: dict[str, int] = json.loads((self.data / "run.json").read_text(encoding="utf-8"))["pids"]
        return pids


@contextmanager
def up(*options: str, data: Path | None = None) -> Iterator[Up]:
    """`iskra up` with these options, until the end of the block; in `data`, or in a temporary directory.

    Raises:
        RuntimeError: it did not say `ready`.
    """
    with tempfile.TemporaryDirectory(prefix="iskra-bench-") as folder:
        where = data or Path(folder)
        log = (where if data is None else data.parent) / "up.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "iskra", "up", "--data", str(where / "data"), "--port", str(free_port()), *options]
        began = time.monotonic()
        with log.open("w", encoding="utf-8") as told, child(command, told=subprocess.PIPE, errors=told, stop_s=STOP_S) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("ready "):
                raise RuntimeError(f"iskra up is not ready: {log.read_text(encoding='utf-8')[-2000:]}")
            yield Up(where / "data", process, json.loads(line.removeprefix("ready ")), time.monotonic() - began)
