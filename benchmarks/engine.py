"""The engine alone, offline, on one core: decoding included, no broker; with everything on and with statuses alone."""

from __future__ import annotations

import gc
import random
import time
from typing import Any, NamedTuple

import msgspec

from benchmarks.rules import rules
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


class Run(NamedTuple):
    """One way through a log: seconds by the clock, seconds of the processor, how many outputs there were, and what a subject's
    state is then: bytes serialised, µs to make it."""

    wall_s: float
    cpu_s: float
    outputs: int
    state_bytes: int
    snapshot_us: float


def through(config: Config, messages: list[tuple[int, bytes]]) -> Run:
    """All messages through `PartitionEngine.points` with ticks between.

    The collector is off while it runs, as a worker has it nearly off (the engine makes no cycles).
    """
    engine = PartitionEngine(config, topic="iskra.metrics.points", partition=0, partitions=1, live=False)
    second, outputs, offset = 0, 0, 0
    gc.collect()
    gc.disable()
    wall, cpu = time.perf_counter(), time.process_time()
    for timestamp, value in messages:
        if timestamp // 1000 != second:
            second = timestamp // 1000
            outputs += len(engine.tick(offset, timestamp))
            offset += 1
        outputs += len(engine.points(offset, timestamp, value))
        offset += 1
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    gc.enable()
    return Run(wall, cpu, outputs, *state(engine))


def turns(repeats: int) -> list[bool]:
    """Whether each of 2 × `repeats` runs has everything on: in turns, whoever was second being first the next time."""
    return [(number + number // 2) % 2 == 0 for number in range(2 * repeats)]


def offline(config: Config, *, subjects: int, per_second: int, seconds: int, array: int, repeats: int = 3) -> dict[str, Any]:
    """Points a second of one log on one core, with everything on and with statuses alone, and the size of a subject's state.

    Of the `repeats` runs of each the best counts. `points_per_s` is by the clock; `living_share` is points a second with
    everything on ÷ with statuses alone (`living: null`), by processor time, which other processes disturb less.
    """
    messages, count = records(subjects=subjects, per_second=per_second, seconds=seconds, array=array)
    alone = msgspec.structs.replace(config, living=None)
    runs: dict[bool, list[Run]] = {True: [], False: []}
    for is_full in turns(repeats):
        runs[is_full].append(through(config if is_full else alone, messages))
    cpu = {is_full: min(run.cpu_s for run in done) for is_full, done in runs.items()}
    return {
        "points_per_s": round(count / min(run.wall_s for run in runs[True])),
        "points_per_cpu_s": round(count / cpu[True]),
        "plain_points_per_cpu_s": round(count / cpu[False]),
        "living_share": round(cpu[False] / cpu[True], 3),
        "points": count,
        "outputs": runs[True][0].outputs,
        "plain_outputs": runs[False][0].outputs,
        "state_bytes_per_subject": runs[True][0].state_bytes,
        "snapshot_us_per_subject": min(run.snapshot_us for run in runs[True]),
    }


def state(engine: PartitionEngine) -> tuple[int, float]:
    """Bytes of a subject's serialised state, and µs to make it: the mean over all subjects."""
    keys = list(engine.subject_keys())
    began = time.perf_counter()
    size = sum(len(engine.snapshot(key)) for key in keys)
    return round(size / len(keys)), round((time.perf_counter() - began) / len(keys) * 1e6, 1)


def run(config: Config) -> dict[str, Any]:
    """`offline_points_per_s` (arrays of 50, 50 points a second and series), `state_bytes_per_subject` (1 point a second),
    `rules_per_s` (see `benchmarks.rules`), and `living_share` of dense, usual and sparse logs (50, 10 and 1 a second).
    """
    dense = offline(config, subjects=20, per_second=50, seconds=120, array=50)
    usual = offline(config, subjects=250, per_second=10, seconds=40, array=50)
    single = offline(config, subjects=100, per_second=10, seconds=60, array=1)
    sparse = offline(config, subjects=1500, per_second=1, seconds=60, array=50)
    evaluated = rules(config)
    return {
        "offline_points_per_s": dense["points_per_s"],
        "rules_per_s": evaluated["rules_per_s"],
        "state_bytes_per_subject": sparse["state_bytes_per_subject"],
        "living_share": {"dense": dense["living_share"], "usual": usual["living_share"], "sparse": sparse["living_share"]},
        "details": {
            "dense_50_per_s": dense,
            "usual_10_per_s": usual,
            "one_a_message_10_per_s": single,
            "sparse_1_per_s": sparse,
            "rules": evaluated["details"],
        },
    }
