"""Kills each process in turn under load; how long until its next new result, and whether anything was lost, doubled or differs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from benchmarks.load import load
from benchmarks.sink import client
from benchmarks.stack import Up, up
from iskra.config_files import DEFAULT_DIR, THRESHOLDS
from iskra.settings import CLICKHOUSE_PASSWORD_ENV
from schemas.topics import DEFAULT_PARTITIONS, WINDOWS, full_name

WAIT_S = 60.0
"""Twelve times the target: what is not back by then is not coming back."""
SETTLE_S = 8.0
"""Between faults: more than a checkpoint and a session."""
ZOMBIE_S = 30.0


class Watch:
    """Notes for each partition when the latest window that closed after a given instant came out."""

    def __init__(self, kafka: str) -> None:
        self.latest = [0] * DEFAULT_PARTITIONS  # greatest `ts` (ms) of a window's record, by partition
        self._stop = False
        self._consumer = Consumer(
            {
                "bootstrap.servers": kafka,
                "group.id": "iskra.bench",
                "enable.auto.commit": False,
                "fetch.queue.backoff.ms": 2,
                "reconnect.backoff.max.ms": 100,
                "retry.backoff.max.ms": 100,
                "log_level": 0,
            }
        )
        topic = full_name("iskra", WINDOWS)
        self._consumer.assign([TopicPartition(topic, number, -1) for number in range(DEFAULT_PARTITIONS)])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop:
            for message in self._consumer.consume(1000, 0.02):
                if message.error() is None:
                    partition, ts = message.partition() or 0, message.timestamp()[1]
                    self.latest[partition] = max(self.latest[partition], ts)

    def close(self) -> None:
        """Ends the reading."""
        self._stop = True
        self._thread.join()
        self._consumer.close()


def recover(*, rate: int = 20_000, subjects: int = 1000) -> dict[str, Any]:
    """`seconds` by process killed, `acknowledged`, `lost`, `duplicated`, `verdicts_differing`.

    Windows of 1 s are configured, so that each partition has something new to say every second. A worker or broker is
    back when every partition has closed a window that ends after the kill; a sink or store when rows of points
    acknowledged after the kill are readable; a gateway when it has taken a point. Each includes the supervisor's restart.
    """
    with tempfile.TemporaryDirectory(prefix="iskra-bench-") as folder:
        config = Path(folder)
        shutil.copytree(DEFAULT_DIR, config, dirs_exist_ok=True)
        text = (DEFAULT_DIR / THRESHOLDS).read_text(encoding="utf-8")
        (config / THRESHOLDS).write_text(text.replace("windows: [10s, 1m]", "windows: [1s, 10s, 1m]"), encoding="utf-8")
        with (
            up("--config", str(config)) as running,
            load(running.urls["kafka"], "iskra", subjects=subjects, rate=rate, seconds=900) as source,
        ):
            watch = Watch(running.urls["kafka"])
            try:
                _await(lambda: min(watch.latest) > 0, "the first windows")
                seconds = {
                    "worker": _fault(running, "worker", _windows_after(watch)),
                    "broker": _fault(running, "kafka", _windows_after(watch)),
                    "sink": _fault(running, "sink", _rows_after(running)),
                    "store": _fault(running, "store", _rows_after(running)),
                    "gateway": _fault(running, "gateway", _takes_points(running)),
                    "zombie": _zombie(running, watch),
                }
            finally:
                watch.close()
            told = source.result()
            verdict = _verify(running)
            stored, distinct = _count(running)
    acknowledged = int(told["acknowledged"])
    return {
        "seconds": seconds,
        "acknowledged": acknowledged,
        "lost": max(0, acknowledged - distinct),
        "duplicated": stored - distinct,
        "verdicts_differing": verdict["differing"],
        "details": {"given_up": told["given_up"], "verify": verdict, "points_readable": stored},
    }


def _await(done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not done():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what}: nothing after {WAIT_S:g} s")
        time.sleep(0.01)


def _fault(running: Up, part: str, back_after: Callable[[int], Callable[[], bool]]) -> float:
    """Kills a part; seconds until it is back."""
    time.sleep(SETTLE_S)
    pid = running.pids()[part]
    now = int(time.time() * 1000)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    _await(back_after(now), f"{part} after kill -9")
    return _told(part, time.monotonic() - began)


def _zombie(running: Up, watch: Watch) -> float:
    """Stops the worker for a while; seconds from its continuing to the next new result of the slowest partition."""
    time.sleep(SETTLE_S)
    pid = running.pids()["worker"]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(ZOMBIE_S)
    now = int(time.time() * 1000)
    began = time.monotonic()
    with suppress(ProcessLookupError):  # the supervisor may have replaced it meanwhile
        os.kill(pid, signal.SIGCONT)
    _await(_windows_after(watch)(now - 2000), "the worker that was stopped")
    return _told("zombie", time.monotonic() - began)


def _told(part: str, seconds: float) -> float:
    """The seconds, said at once: a later step that fails must not take them along."""
    print(f"{part}: {seconds:.2f} s", file=sys.stderr, flush=True)
    return round(seconds, 2)


def _windows_after(watch: Watch) -> Callable[[int], Callable[[], bool]]:
    """A window's `ts` is its end, and it comes out when subject time is 5 s past it: so an end after now − 5 s is new."""
    return lambda now: lambda: min(watch.latest) > now - 5000 + 1000


def _rows_after(running: Up) -> Callable[[int], Callable[[], bool]]:
    def back(now: int) -> Callable[[], bool]:
        # a point sent after the kill, in every partition
        query = f"SELECT uniqExact(partition) FROM iskra.points WHERE ts > fromUnixTimestamp64Milli({now:d})"

        def done() -> bool:
            try:
                store = client(running.urls["clickhouse"], running.password)
            except Exception:  # noqa: BLE001 - whatever a store that is away makes the client say
                return False
            try:
                return int(store.query(query).result_rows[0][0]) == DEFAULT_PARTITIONS
            except Exception:  # noqa: BLE001
                return False
            finally:
                store.close()

        return done

    return back


def _takes_points(running: Up) -> Callable[[int], Callable[[], bool]]:
    def done() -> bool:
        point = {"subject": "probe", "metric": "probes", "value": 1, "ts": int(time.time() * 1000)}
        request = urllib.request.Request(
            f"{running.urls['gateway']}/api/v1/points", json.dumps(point).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=2) as answer:
                return bool(answer.status == 202)
        except (urllib.error.URLError, OSError):
            return False

    return lambda _: done


def _verify(running: Up) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "iskra",
        "verify",
        "--kafka",
        running.urls["kafka"],
        "--clickhouse",
        running.urls["clickhouse"],
        "--json",
    ]
    done = subprocess.run(
        command, env=os.environ | {CLICKHOUSE_PASSWORD_ENV: running.password}, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode not in (0, 1) or not done.stdout:  # a traceback ends with 1, too
        raise RuntimeError(f"iskra verify: {done.stderr[-1500:]}")
    verdict: dict[str, Any] = json.loads(done.stdout)
    verdict["differences"] = verdict["differences"][:3]
    return verdict


def _count(running: Up) -> tuple[int, int]:
    """Points of the load in the view, and how many different ones (partition, offset, index)."""
    store = client(running.urls["clickhouse"], running.password)
    query = "SELECT count(), uniqExact(partition, offset, idx) FROM iskra.v_points WHERE startsWith(subject, 'load-')"
    row = store.query(query).result_rows[0]
    store.close()
    return int(row[0]), int(row[1])
