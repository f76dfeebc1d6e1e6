"""Two workers of one group on a filled topic: what a machine of two processors does, as the same log in one process does not."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import psutil

from benchmarks.living import LOGS, Log
from benchmarks.stack import broker, fresh_namespace
from benchmarks.worker import WAIT_S, begin, fill, scrape, worker
from iskra import config_files
from schemas.topics import DEFAULT_PARTITIONS

WORKERS = 2


def pair(logs: dict[str, Log] | None = None) -> dict[str, Any]:
    """`pair_points_per_s`, `pair_array_points_per_s`, `pair_sparse_points_per_s`: the logs of `benchmarks.living`, by two workers.

    Counted from the moment at which both own their partitions: the records ahead then, in points, ÷ the time until none are
    and every output is acknowledged.
    """
    figures: dict[str, Any] = {}
    details: dict[str, Any] = {}
    config = config_files.load()
    with broker() as kafka:
        for name, log in (LOGS if logs is None else logs).items():
            namespace = fresh_namespace(kafka)
            begin(kafka, namespace, config)
            written = fill(kafka, namespace, points=log.points, subjects=log.subjects, every_ms=log.every_ms, array=log.array)
            found = _drain(kafka, namespace, written, log.array)
            figures[f"pair_{name}points_per_s"] = found["points_per_s"]
            details[name.rstrip("_") or "one"] = found
    return {**figures, "details": details}


def _drain(kafka: str, namespace: str, written: int, array: int) -> dict[str, Any]:
    with ExitStack() as stack:
        running = [stack.enter_context(worker(kafka, namespace)) for _ in range(WORKERS)]
        watched = [psutil.Process(process.pid) for process, _ in running]
        rss = [0.0] * WORKERS
        began = cpu = ahead = 0.0
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and all(process.poll() is None for process, _ in running):
            told = [scrape(port) for _, port in running]
            now = time.monotonic()
            rss = [max(most, process.memory_info().rss / 1e6) for most, process in zip(rss, watched, strict=True)]
            lag = sum(figures.get("iskra_worker_lag", 0.0) for figures in told)
            shared = all(figures.get("iskra_worker_partitions") == DEFAULT_PARTITIONS / WORKERS for figures in told)
            if not began and shared and lag:
                began, ahead = now, lag
                cpu = sum(sum(process.cpu_times()[:2]) for process in watched)
            if began and shared and not lag and not any(figures["iskra_worker_unacknowledged"] for figures in told):
                points = min(written, ahead * array)
                used = sum(sum(process.cpu_times()[:2]) for process in watched) - cpu
                return {
                    "points_per_s": round(points / (now - began)),
                    "points": round(points),
                    "seconds": round(now - began, 2),
                    "cpu_us_per_point": round(used / points * 1e6, 2),
                    "rss_mb": [round(most) for most in rss],
                }
            time.sleep(0.1)
    raise RuntimeError(f"two workers did not empty the topic within {WAIT_S:g} s")
