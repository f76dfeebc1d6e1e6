"""The engine alone, offline, on one core: decoding included, no broker."""

from __future__ import annotations

import gc
import random
import time
from typing import Any

import msgspec

from processors.engine import PartitionEngine
from schemas.config import Config

START_MS = 1_762_000_000_000
MIDDLE = {"clarity": 0.80, "chaos": 0.45, "trust": 0.80, "pain": 0.30}
NOISE = 0.02
TURN_S = 10
"""Every so many seconds a subject's level moves, so that some rungs move, too."""


def records(*, subjects: int, per_second: int, seconds: int, array: int) -> tuple[list[tuple[int, bytes]], int]:
    """Messages as producers write them: (record time in ms, JSON), and the number of points.

    Args:
        subjects: each with the four vitals. per_second: points of each series. array: points a message.
    """
    rnd = random.Random(11)
    shift = [0.0] * subjects
    messages: list[tuple[int, bytes]] = []
    pending: list[dict[str, Any]] = []
    count = 0
    for step in range(seconds * per_second):
        ts = START_MS + step * 1000 // per_second
        if step % (TURN_S * per_second) == 0:
            shift = [rnd.choice((0.0, 0.0, 0.0, 0.08, -0.08)) for _ in range(subjects)]
        for subject in range(subjects):
            for metric, middle in MIDDLE.items():
                value = round(min(1.0, max(0.0, rnd.gauss(middle + shift[subject], NOISE))), 4)
                pending.append({"subject": f"subject-{subject:05d}", "metric": metric, "value": value, "ts": ts, "source": "bench"})
                count += 1
                if len(pending) == array:
                    messages.append((ts, msgspec.json.encode(pending if array > 1 else pending[0])))
                    pending.clear()
    if pending:
        messages.append((ts, msgspec.json.encode(pending)))
    return messages, count


def offline(config: Config, *, subjects: int, per_second: int, seconds: int, array: int, repeats: int = 3) -> dict[str, Any]:
    """Points a second through `PartitionEngine.points` with ticks between, the best of `repeats` runs, and the state's size.

    The collector is off while it runs, as a worker has it nearly off (the engine makes no cycles).
    """
    messages, count = records(subjects=subjects, per_second=per_second, seconds=seconds, array=array)
    best = 0.0
    outputs = 0
    for _ in range(repeats):
        engine = PartitionEngine(config, topic="iskra.metrics.points", partition=0, partitions=1, live=False)
        second, outputs, offset = 0, 0, 0
        gc.collect()
        gc.disable()
        began = time.perf_counter()
        for timestamp, value in messages:
            if timestamp // 1000 != second:
                second = timestamp // 1000
                outputs += len(engine.tick(offset, timestamp))
                offset += 1
            outputs += len(engine.points(offset, timestamp, value))
            offset += 1
        best = max(best, count / (time.perf_counter() - began))
        gc.enable()
    keys = list(engine.subject_keys())
    began = time.perf_counter()
    size = sum(len(engine.snapshot(key)) for key in keys)
    snapshot_us = (time.perf_counter() - began) / len(keys) * 1e6
    return {
        "points_per_s": round(best),
        "points": count,
        "outputs": outputs,
        "state_bytes_per_subject": round(size / len(keys)),
        "snapshot_us_per_subject": round(snapshot_us, 1),
    }


def run(config: Config) -> dict[str, Any]:
    """`offline_points_per_s` (arrays of 50, 50 points a second and series) and `state_bytes_per_subject` (1 point a second)."""
    dense = offline(config, subjects=20, per_second=50, seconds=120, array=50)
    usual = offline(config, subjects=250, per_second=10, seconds=40, array=50)
    single = offline(config, subjects=100, per_second=10, seconds=60, array=1)
    sparse = offline(config, subjects=1500, per_second=1, seconds=60, array=50)
    return {
        "offline_points_per_s": dense["points_per_s"],
        "state_bytes_per_subject": sparse["state_bytes_per_subject"],
        "details": {"dense_50_per_s": dense, "usual_10_per_s": usual, "one_a_message_10_per_s": single, "sparse_1_per_s": sparse},
    }
