"""`iskra doctor` and what runs: parts that are dead or silent, a group without workers, a partition that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from iskra import at_work
from iskra.at_work import workers
from iskra.cli import root
from iskra.stack import ports
from iskra.stack.datadir import DataDir
from schemas.topics import HEADER_KIND, KIND_TICK, POINTS, full_name
from tests.streams.helpers import START_MS, WorkerProcess, wait_for

pytestmark = pytest.mark.kafka


@pytest.fixture
def data(tmp_path: Path) -> Iterator[DataDir]:
    """A data directory that an instance holds."""
    taken = DataDir(tmp_path / "data")
    taken.take()
    yield taken
    taken.release()


def _tick(kafka: str, namespace: str, number: int) -> None:
    producer = Producer({"bootstrap.servers": kafka})
    headers: Any = [(HEADER_KIND, KIND_TICK)]
    for second in range(number):
        producer.produce(full_name(namespace, POINTS), b"", None, 0, timestamp=START_MS + second * 1_000, headers=headers)
    assert producer.flush(30) == 0


def _doctor(kafka: str, namespace: str, data: DataDir) -> dict[str, Any]:
    """The findings by check."""
    away = f"http://127.0.0.1:{ports.free_port()}"
    result = CliRunner().invoke(root, ["doctor", "--data", str(data.path), "--namespace", namespace, "--clickhouse", away, "--json"])
    assert result.exit_code in (1, 3), result.output
    return {finding["check"]: finding for finding in msgspec.json.decode(result.stdout)["findings"]}


def test_a_worker_that_is_dead_or_silent_is_told(
    kafka: str, namespace: str, data: DataDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how to mend it; while it works, all is well."""
    monkeypatch.setattr(at_work, "ANSWER_TIMEOUT_S", 1.0)
    port = ports.free_port()
    group = f"workers of {namespace}"
    with WorkerProcess(kafka, namespace, tmp_path, "--metrics-port", str(port)) as worker:
        run = {
            "urls": {"kafka": kafka},
            "metrics": {"worker": f"http://127.0.0.1:{port}/metrics", "sink": f"http://127.0.0.1:{port}/metrics"},
            "pids": {"worker": worker.process.pid},
            "namespaces": [namespace],
        }
        data.write_run(run)
        worker.wait_said("owns")
        wait_for(lambda: workers(kafka, namespace, data.path, expected=True).ok, "a worker in the group")
        found = _doctor(kafka, namespace, data)
        assert (found["part worker"]["ok"], found[group]["ok"]) == (True, True)
        assert found[group]["detail"].startswith("1 worker is in the group")
        assert (found["part sink"]["ok"], found["part sink"]["detail"]) == (False, "does not run (last process unknown)")

        worker.pause()
        silent = _doctor(kafka, namespace, data)["part worker"]
        assert (silent["ok"], silent["unreachable"]) == (False, True)
        assert "does not answer" in silent["detail"]
        worker.go_on()

        assert worker.stop() == 0
        found = _doctor(kafka, namespace, data)
        dead = found["part worker"]
        assert (dead["ok"], dead["detail"]) == (False, f"does not run (last process {worker.process.pid})")
        assert str(data.path / "logs" / "worker.log") in dead["mend"]
        assert not found[group]["ok"]
        assert f"no worker is in the group {namespace}.worker" in found[group]["detail"]


def test_a_partition_that_stands_still_is_behind(kafka: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is in the group and judges nothing; one that catches up is not behind."""
    monkeypatch.setattr(at_work, "WATCH_S", 2.0)
    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        worker.wait_said("owns")
        _tick(kafka, namespace, 500)
        wait_for(lambda: "; 0 records behind" in workers(kafka, namespace, tmp_path, expected=True).detail, "it catches up")
        worker.pause()
        _tick(kafka, namespace, 500)
        still = workers(kafka, namespace, tmp_path, expected=True)
        assert not still.ok
        assert "partition 0 is 500 records behind at offset 501, and has not moved for 2 s" in still.detail
        assert str(tmp_path / "logs" / "worker.log") in (still.mend or "")
        worker.go_on()


def test_where_no_worker_need_be_nothing_is_wrong_until_records_wait(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A namespace that nothing was ever written to is well; points that nobody judges are not."""
    assert workers(kafka, namespace, tmp_path, expected=False).ok
    _tick(kafka, namespace, 3)
    found = workers(kafka, namespace, tmp_path, expected=False)
    assert (found.ok, found.mend) == (False, "iskra up, or iskra worker")
    assert "3 records wait to be judged" in found.detail
