"""The whole path: SDK → Kafka → worker → ClickHouse, sustained, with everything of `iskra up` running."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.load import load
from benchmarks.sink import client
from benchmarks.stack import Up, up
from benchmarks.worker import scrape

CATCH_UP_S = 120.0
"""After the load ends; a path that is slower than the load needs longer than the load took."""


def path(*, rate: int = 150_000, seconds: int = 60, subjects: int = 1000) -> dict[str, Any]:
    """`path_points_per_s`: points acknowledged ÷ the time from the first one sent to the last one readable in ClickHouse.

    Args:
        rate: points a second that the load tries, for `seconds`; the figure is below it where the path is slower.
    Returns:
        Also `rss_mb` by process (greatest seen), the lag in points at each tenth of the load, and the rate acknowledged.
    """
    with up() as running:
        store = client(running.urls["clickhouse"], running.password)
        began = time.monotonic()
        with load(running.urls["kafka"], "iskra", subjects=subjects, rate=rate, seconds=seconds) as source:
            rss: dict[str, float] = {}
            lags = []
            marks = [began + seconds * tenth / 10 for tenth in range(1, 11)]
            while source.process.poll() is None:
                _watch(running, rss)
                if marks and time.monotonic() >= marks[0]:
                    marks.pop(0)
                    lags.append(_lag(running))
                time.sleep(0.5)
            told = source.result(stop=False)
            wanted = int(told["acknowledged"])
            stored = _stored(store)
            deadline = time.monotonic() + CATCH_UP_S
            while stored < wanted and time.monotonic() < deadline:
                time.sleep(0.1)
                stored = _stored(store)
            took = time.monotonic() - began
    return {
        "path_points_per_s": round(stored / took),
        "sustained_s": round(told["seconds"], 1),
        "rss_mb": {name: round(value) for name, value in rss.items()},
        "details": {
            "rate_tried": rate,
            "acknowledged": wanted,
            "stored": stored,
            "seconds_to_the_last_row": round(took, 1),
            "worker_lag_records": lags,
        },
    }


def _stored(store: Any) -> int:
    """Points of the load in ClickHouse (rows; exactly-once is `recover`'s question)."""
    return int(store.query("SELECT count() FROM iskra.points WHERE startsWith(subject, 'load-')").result_rows[0][0])


def _watch(running: Up, rss: dict[str, float]) -> None:
    for name, pid in running.pids().items():
        try:
            rss[name] = max(rss.get(name, 0.0), psutil.Process(pid).memory_info().rss / 1e6)
        except psutil.Error:
            continue


def _lag(running: Up) -> int:
    """Records of the points topic that the worker has not applied yet; -1: it did not answer."""
    port = urlsplit(running.metrics["worker"]).port
    assert port is not None
    figures = scrape(port)
    return round(figures["iskra_worker_lag"]) if figures else -1
