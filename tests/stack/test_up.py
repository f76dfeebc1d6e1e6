"""`iskra up`, whole: every part real, each restarted when it is killed, stopped in order, refused with one line."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from iskra.settings import CLICKHOUSE_PASSWORD_ENV
from iskra.stack import ports

pytestmark = [pytest.mark.kafka, pytest.mark.store]
DEADLINE_S = 240.0
"""Warm, everything is ready within 15 s; on a machine that does much else at the same time it takes longer."""
PARTS = {"kafka", "store", "worker", "sink", "notify", "gateway", "reporter"}
ENV = {name: value for name, value in os.environ.items() if name != CLICKHOUSE_PASSWORD_ENV}


class Up:
    """One `iskra up` in a directory of its own."""

    def __init__(self, data: Path, port: int, *options: str) -> None:
        self.data = data
        tmp = next(parent for parent in data.parents if parent.is_dir())
        self.stderr = (tmp / f"{data.name}-{port}.stderr").open("w+")
        command = [sys.executable, "-m", "iskra", "up", "--data", str(data), "--port", str(port), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.stderr, text=True, env=ENV)

    def ready(self) -> dict[str, Any]:
        """Waits for the line `ready` and gives what it says."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("ready "), self.said()
        found: dict[str, Any] = msgspec.json.decode(line.removeprefix("ready "))
        return found

    def said(self) -> str:
        """What it said on stderr so far."""
        return Path(self.stderr.name).read_text()

    def stop(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)

    def close(self) -> None:
        """Ends it however it stands."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.stderr.close()


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A stack that starts."""
    started = Up(tmp_path / "data", ports.free_port())
    yield started
    started.close()


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _request(url: str, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read() or b"null")
    except OSError:
        return 0, None
    finally:
        connection.close()


def _judged(gateway: str, subject: str) -> bool:
    """Publishes a point of the subject, acknowledged by the broker; whether the subject is judged as OK by now."""
    point = {"subject": subject, "metric": "clarity", "value": 0.8, "ts": int(time.time() * 1000)}
    if _request(gateway, "POST", "/api/v1/points", msgspec.json.encode(point))[0] != 202:
        return False
    status, found = _request(gateway, "GET", f"/api/slo/status?subject={subject}")
    return status == 200 and [item["level"] for item in found["items"]] == ["OK"]


def _iskra(*arguments: str) -> tuple[int, Any]:
    """Exit code and JSON of a command."""
    done = subprocess.run(
        [sys.executable, "-m", "iskra", *arguments, "--json"], check=False, capture_output=True, timeout=DEADLINE_S, env=ENV
    )
    return done.returncode, msgspec.json.decode(done.stdout or b"null")


@pytest.mark.timeout(900)
def test_everything_starts_recovers_and_stops(up: Up) -> None:
    """Points become verdicts; a killed broker, worker and gateway are back with the same addresses; Ctrl-C ends all, exit 0.

    What HTTP refused is a dead letter like any other, and no difference between log and outputs.
    """
    ready = up.ready()
    gateway = ready["urls"]["gateway"]
    assert set(ready["pids"]) == PARTS | {"supervisor"}
    assert all(psutil.pid_exists(pid) for pid in ready["pids"].values())
    assert "password" not in msgspec.json.encode(ready).decode()
    assert (up.data / "clickhouse.password").read_text().strip() not in up.said()
    _until(lambda: _judged(gateway, "before"), "there is no verdict")
    refused = {"subject": "refused", "metric": "clarity", "value": 7, "ts": 0}
    status, told = _request(gateway, "POST", "/api/v1/points", msgspec.json.encode([refused]))
    assert (status, told["accepted"], [item["reason"] for item in told["rejected"]]) == (202, 0, ["out_of_range"])

    for part in ("kafka", "worker", "gateway"):
        os.kill(ready["pids"][part], signal.SIGKILL)
    _until(lambda: _request(gateway, "GET", "/readyz")[0] == 200, "the gateway is not back")
    _until(lambda: _judged(gateway, "before") and _judged(gateway, "after"), "there is no verdict after the kills")
    run = msgspec.json.decode((up.data / "run.json").read_bytes())
    assert run["urls"] == ready["urls"]
    assert all(run["pids"][part] != ready["pids"][part] for part in ("kafka", "worker", "gateway"))

    log = ("--kafka", ready["urls"]["kafka"], "--namespace", "iskra")
    code, letters = _iskra("dlq", "list", *log)
    assert (code, [(letter["reason"], letter["subject"]) for letter in letters]) == (0, [("out_of_range", "refused")])
    code, report = _iskra("verify", "--no-store", *log)
    assert (code, report["result"], report["differences"]) == (0, "match", [])

    second = Up(up.data, ports.free_port())
    assert second.process.wait(DEADLINE_S) == 2
    assert f"is used by a running instance (process {up.process.pid})" in second.said()
    second.close()

    assert up.stop() == 0, up.said()
    assert not any(psutil.pid_exists(pid) for pid in run["pids"].values())
    assert not (up.data / "run.json").exists()


def _partitions(url: str) -> float:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
        found = re.search(rb"^iskra_worker_partitions (\S+)$", answer.read(), re.MULTILINE)
        return float(found[1]) if found else -1.0
    return -1.0


@pytest.mark.timeout(600)
def test_workers_share_the_partitions(tmp_path: Path) -> None:
    """`--workers 2`: two partitions each; one is killed, subjects of all partitions are judged, and it is back with its share."""
    up = Up(tmp_path / "data", ports.free_port(), "--workers", "2")
    try:
        ready = up.ready()
        gateway = ready["urls"]["gateway"]
        urls = [ready["metrics"][name] for name in ("worker", "worker-2")]
        _until(lambda: [_partitions(url) for url in urls] == [2.0, 2.0], "each has two of the four partitions")
        os.kill(ready["pids"]["worker-2"], signal.SIGKILL)
        for subject in ("a", "b", "c", "d", "e", "f"):
            _until(lambda subject=subject: _judged(gateway, subject), f"there is no verdict on {subject}")  # type: ignore[misc]
        _until(lambda: [_partitions(url) for url in urls] == [2.0, 2.0], "it is back with its share")
        assert up.stop() == 0, up.said()
    finally:
        up.close()


def test_more_workers_than_partitions_are_refused(tmp_path: Path) -> None:
    """One line names both options; exit 2."""
    said = _refused(Up(tmp_path / "data", ports.free_port(), "--workers", "5"))
    assert said == "Error: --workers: 5 workers cannot share 4 partitions; fewer of them, or more --partitions"


def _refused(up: Up) -> str:
    """The last line of one that ends at once with exit code 2."""
    try:
        assert up.process.wait(DEADLINE_S) == 2
        return up.said().strip().splitlines()[-1]
    finally:
        up.close()


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """One line names the port and the option; exit 2."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert _refused(Up(tmp_path / "data", port)) == f"Error: port {port} is in use: choose another one with --port"


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """One line names the directory and the option; exit 2."""
    (tmp_path / "file").write_text("")
    said = _refused(Up(tmp_path / "file" / "data", ports.free_port()))
    assert said.startswith(f"Error: {tmp_path / 'file' / 'data'}: ")
    assert said.endswith("choose one with --data")


def test_an_invalid_configuration_is_told_before_anything_starts(tmp_path: Path) -> None:
    """One line names file, line and field; exit 2; nothing was made."""
    (tmp_path / "slo-thresholds-matrix.yml").write_text("version: one\n")
    said = _refused(Up(tmp_path / "data", ports.free_port(), "--config", str(tmp_path)))
    assert said.startswith(f"Error: {tmp_path / 'slo-thresholds-matrix.yml'}:1: version: ")
    assert not (tmp_path / "data").exists()
