"""The promise of semantics §7 on a real broker: outputs equal the engine alone over the log, whatever was killed or moved."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from iskra.stack.kafka import EmbeddedKafka
from iskra.stack.topics import ensure_topics
from schemas.topics import DEFAULT_PARTITIONS
from tests.streams.helpers import Load, WorkerProcess, check, check_current, statuses_on_topic, wait_for

pytestmark = pytest.mark.kafka


def under_way(kafka: str, namespace: str, load: Load, statuses: int = 30, steps: int = 100) -> None:
    """Waits until verdicts have come out and a minute of event time has passed."""
    wait_for(lambda: load.steps >= steps and statuses_on_topic(kafka, namespace) >= statuses, "the stream under way")


def test_undisturbed(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A worker says exactly what the engine alone says to the log, and ends in order on SIGTERM."""
    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        with Load(kafka, namespace) as load:
            under_way(kafka, namespace, load)
        expected = check(kafka, namespace)
        check_current(kafka, namespace, expected)
        assert worker.stop() == 0
    topics = {said.topic for said in expected.values()}
    assert topics >= {"slo.windows", "slo.status", "dead-letters", "signals.events"}


def test_kill_and_restart(kafka: str, namespace: str, tmp_path: Path) -> None:
    """After kill -9 in mid-stream the next start goes on from the checkpoint; nothing is lost, nothing differs."""
    with Load(kafka, namespace) as load:
        with WorkerProcess(kafka, namespace, tmp_path, "--instance-id", "w") as worker:
            under_way(kafka, namespace, load)
            worker.kill()
        with WorkerProcess(kafka, namespace, tmp_path, "--instance-id", "w") as worker:
            worker.wait_said("owns")
            seen = statuses_on_topic(kafka, namespace)
            under_way(kafka, namespace, load, seen + 20)
            worker.kill()
        with WorkerProcess(kafka, namespace, tmp_path, "--instance-id", "w") as worker:
            worker.wait_said("owns")
            load.end()
            check_current(kafka, namespace, check(kafka, namespace))
            assert worker.stop() == 0


def test_stop_and_restart(kafka: str, namespace: str, tmp_path: Path) -> None:
    """SIGTERM writes last checkpoints and exits with 0; the next worker needs no static id to take over at once."""
    with Load(kafka, namespace) as load:
        with WorkerProcess(kafka, namespace, tmp_path) as worker:
            under_way(kafka, namespace, load)
            assert worker.stop() == 0
        with WorkerProcess(kafka, namespace, tmp_path) as worker:
            worker.wait_said("owns")
            load.end()
            check_current(kafka, namespace, check(kafka, namespace))


def test_two_workers_and_a_rebalance(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A second worker joins, then the first one goes: partitions move with their state both times."""
    with Load(kafka, namespace) as load, WorkerProcess(kafka, namespace, tmp_path) as first:
        under_way(kafka, namespace, load)
        with WorkerProcess(kafka, namespace, tmp_path) as second:
            second.wait_said("owns")
            under_way(kafka, namespace, load, statuses_on_topic(kafka, namespace) + 20)
            assert first.stop() == 0
            second.wait_said("owns", 2)
            load.end()
            check_current(kafka, namespace, check(kafka, namespace))


def test_zombie(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A worker that stood still while another took over goes on, is refused, and does no harm."""
    with Load(kafka, namespace) as load, WorkerProcess(kafka, namespace, tmp_path) as zombie:
        under_way(kafka, namespace, load)
        zombie.pause()
        with WorkerProcess(kafka, namespace, tmp_path) as successor:
            successor.wait_said("owns")
            under_way(kafka, namespace, load, statuses_on_topic(kafka, namespace) + 20)
            zombie.go_on()
            zombie.wait_said("owns", 2)
            load.end()
            check_current(kafka, namespace, check(kafka, namespace))
            assert successor.process.poll() is None
            assert zombie.process.poll() is None


def test_broker_killed(tmp_path: Path) -> None:
    """The broker dies under load and comes back on its log: the worker waits and goes on, in the same process."""
    broker = EmbeddedKafka(tmp_path / "broker")
    broker.start()
    namespace = "killed"
    try:
        kafka = broker.bootstrap
        ensure_topics(kafka, namespace, DEFAULT_PARTITIONS)
        with Load(kafka, namespace) as load, WorkerProcess(kafka, namespace, tmp_path) as worker:
            under_way(kafka, namespace, load)
            broker.kill()
            broker.start()
            seen = statuses_on_topic(kafka, namespace)
            under_way(kafka, namespace, load, seen + 20)
            load.end()
            check_current(kafka, namespace, check(kafka, namespace))
            worker.process.send_signal(signal.SIGTERM)
            assert worker.process.wait(20) == 0
    finally:
        broker.stop()
