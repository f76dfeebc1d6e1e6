"""How fast the ClickHouse sink empties a filled topic, and how soon the store answers: `iskra bench ingest` and `query` stand on this.

Each function works on a broker and a store that run, in a namespace whose topics exist.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import psutil

from benchmarks.child import child
from benchmarks.stack import broker, fresh_namespace
from benchmarks.worker import START_MS, fill
from iskra.settings import CLICKHOUSE_PASSWORD_ENV, CLICKHOUSE_USER
from iskra.stack.ports import free_port
from sinks.clickhouse.settings import database

WAIT_S = 180.0


def client(clickhouse: str, password: str) -> Any:
    """A client of the store."""
    address = urlsplit(clickhouse)
    return clickhouse_connect.get_client(
        host=address.hostname, port=address.port, username=CLICKHOUSE_USER, password=password, compress=False, autogenerate_session_id=False
    )


@contextmanager
def store(data: Path, port: int, password: str) -> Iterator[tuple[str, int]]:
    """An `iskra store` as a child process; gives its address and pid."""
    command = [sys.executable, "-m", "iskra", "store", "--data", str(data), "--port", str(port)]
    with child(command, env={**os.environ, CLICKHOUSE_PASSWORD_ENV: password}, told=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready")
        yield f"http://127.0.0.1:{port}", process.pid


@contextmanager
def sink(kafka: str, clickhouse: str, password: str, namespace: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """An `iskra sink clickhouse` as a child process."""
    command = [sys.executable, "-m", "iskra", "sink", "clickhouse", "--kafka", kafka, "--clickhouse", clickhouse, "--namespace", namespace]
    environment = {**os.environ, CLICKHOUSE_PASSWORD_ENV: password}
    with child([*command, *options], env=environment) as process:
        yield process


def ingest(
    kafka: str,
    clickhouse: str,
    password: str,
    namespace: str,
    *,
    points: int,
    array: int,
    subjects: int = 1000,
    store_pid: int | None = None,
) -> dict[str, Any]:
    """Fills the points topic, then lets one sink empty it.

    Args:
        points: so many. array: points a message. store_pid: of a store on this machine, whose memory is told then.
    Returns:
        `sink_points_per_s` from the first row stored to the last, `sink_points_per_cpu_s` of the sink's own processor
        time, `rows`, `seconds`, `rss_mb` (greatest seen, by process), `bytes_per_point` (after merging).
    """
    written = fill(kafka, namespace, points=points, subjects=subjects, every_ms=100, array=array)
    asking = client(clickhouse, password)
    table = f"{database(namespace)}.points"
    peak: dict[str, float] = {"sink": 0.0, "store": 0.0}
    first: tuple[float, int, float] | None = None
    with sink(kafka, clickhouse, password, namespace) as process:
        processes = {"sink": psutil.Process(process.pid), **({"store": psutil.Process(store_pid)} if store_pid else {})}
        deadline = time.monotonic() + WAIT_S
        rows = 0
        while rows < written:
            assert time.monotonic() < deadline, f"{rows} of {written} rows after {WAIT_S} s"
            time.sleep(0.05)
            for name, child in processes.items():
                peak[name] = max(peak[name], child.memory_info().rss / 2**20)
            rows = _count(asking, table)
            now = time.monotonic()
            if rows and first is None:
                first = (now, rows, sum(processes["sink"].cpu_times()[:2]))
        assert first is not None
        cpu = sum(processes["sink"].cpu_times()[:2]) - first[2]
        seconds = max(now - first[0], 1e-9)
    asking.command(f"OPTIMIZE TABLE {table} FINAL")
    size = asking.query(
        "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = {d:String} AND table = 'points'",
        parameters={"d": database(namespace)},
    ).result_rows[0][0]
    return {
        "rows": rows,
        "seconds": round(seconds, 2),
        "sink_points_per_s": round((rows - first[1]) / seconds),
        "sink_points_per_cpu_s": round((rows - first[1]) / max(cpu, 1e-9)),
        "rss_mb": {name: round(value) for name, value in peak.items() if value},
        "bytes_per_point": round(size / rows, 2),
    }


def alone(points: int = 3_000_000, array: int = 50) -> dict[str, Any]:
    """`ingest` on a broker and a store of its own."""
    password = secrets.token_hex(8)
    with (
        tempfile.TemporaryDirectory(prefix="iskra-bench-") as folder,
        broker() as kafka,
        store(Path(folder) / "store", free_port(), password) as (address, pid),
    ):
        return ingest(kafka, address, password, fresh_namespace(kafka), points=points, array=array, store_pid=pid)


def _count(asking: Any, table: str) -> int:
    try:
        return int(asking.query(f"SELECT count() FROM {table}").result_rows[0][0])
    except clickhouse_connect.driver.exceptions.ClickHouseError:
        return 0  # not made yet


def query(clickhouse: str, password: str, namespace: str, *, times: int = 300, subjects: int = 1000) -> dict[str, Any]:
    """Asks what pages and people ask, of whatever `ingest` left.

    Returns:
        `rows`; `p50_ms`, `p95_ms`, `max_ms` by named query; `endpoint_overhead_ms`: of `SELECT 1`, client and HTTP included.
    """
    asking = client(clickhouse, password)
    name = database(namespace)
    since = START_MS
    five_minutes = (
        f"SELECT ts, value FROM {name}.%s WHERE tenant = 'default' AND subject = {{s:String}} AND metric = 'clarity' "
        "AND ts >= fromUnixTimestamp64Milli({a:Int64}) AND ts < fromUnixTimestamp64Milli({b:Int64}) ORDER BY ts"
    )
    asked: dict[str, Callable[[int], Any]] = {
        "select_1": lambda _: asking.query("SELECT 1"),
        "five_minutes_of_a_subject": lambda i: asking.query(
            five_minutes % "points", parameters={"s": f"s{i * 37 % subjects:05d}", "a": since + i * 1000, "b": since + i * 1000 + 300_000}
        ),
        "five_minutes_of_a_subject_view": lambda i: asking.query(
            five_minutes % "v_points", parameters={"s": f"s{i * 37 % subjects:05d}", "a": since + i * 1000, "b": since + i * 1000 + 300_000}
        ),
        "current_of_a_subject": lambda i: asking.query(
            f"SELECT metric, level, value, since FROM {name}.v_current WHERE subject = {{s:String}}",
            parameters={"s": f"s{i % subjects:05d}"},
        ),
    }
    figures: dict[str, dict[str, float]] = {"p50_ms": {}, "p95_ms": {}, "max_ms": {}}
    for label, ask in asked.items():
        ask(0)
        taken = []
        for number in range(times):
            started = time.perf_counter()
            ask(number)
            taken.append((time.perf_counter() - started) * 1000)
        taken.sort()
        for figure, at in (("p50_ms", 0.5), ("p95_ms", 0.95), ("max_ms", 1.0)):
            figures[figure][label] = round(taken[min(len(taken) - 1, int(len(taken) * at))], 2)
    return {"rows": _count(asking, f"{name}.points"), **figures, "endpoint_overhead_ms": figures["p50_ms"]["select_1"]}
