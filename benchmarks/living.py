"""What the living part costs a worker: the same filled topics, emptied with everything on and with statuses alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.engine import turns
from benchmarks.stack import broker, forget, fresh_namespace
from benchmarks.worker import Drain, begin, drain, fill
from iskra import config_files


class Log(NamedTuple):
    """A log to fill a topic with, as `benchmarks.worker.fill` takes it; 4 metrics a subject."""

    points: int
    subjects: int
    every_ms: int
    array: int


LOGS = {
    "": Log(2_000_000, 1_000, 100, 1),
    "array_": Log(5_000_000, 1_000, 100, 50),
    "sparse_": Log(1_600_000, 10_000, 1_000, 1),
}
"""By what stands in the figure's name: 10 points a second and series, one a message; the same in arrays of 50; 1 a second and
series, one a message."""
REPEATS = 2
"""Each log is emptied so often in each way."""


@contextmanager
def statuses_alone() -> Iterator[Path]:
    """A directory with the configuration that comes with Iskra, its living part switched off."""
    with tempfile.TemporaryDirectory(prefix="iskra-bench-") as folder:
        config = Path(folder) / "config"
        shutil.copytree(config_files.DEFAULT_DIR, config)
        with (config / config_files.THRESHOLDS).open("a", encoding="utf-8") as file:
            file.write("\nliving: null\n")
        yield config


def compare(kafka: str, plain: Path, log: Log, repeats: int = REPEATS) -> tuple[list[Drain], list[Drain]]:
    """How a worker empties a log: with everything on, and under the configuration in `plain`.

    The log is written twice, once behind the marker of either configuration, in a namespace of its own. The two are emptied
    in turns, `repeats` times each; in between all that the worker has written is thrown away.
    """
    ways = {}
    for is_full, directory in ((True, config_files.DEFAULT_DIR), (False, plain)):
        namespace = fresh_namespace(kafka)
        begin(kafka, namespace, config_files.load(directory))
        written = fill(kafka, namespace, points=log.points, subjects=log.subjects, every_ms=log.every_ms, array=log.array)
        ways[is_full] = namespace, directory, written
    found: dict[bool, list[Drain]] = {True: [], False: []}
    for is_full in turns(repeats):
        namespace, directory, written = ways[is_full]
        if found[is_full]:
            forget(kafka, namespace)
        found[is_full].append(drain(kafka, namespace, written, "--config", str(directory)))
    return found[True], found[False]


def points_per_s(drains: list[Drain]) -> float:
    """Points of all drains ÷ their seconds."""
    return sum(done.points for done in drains) / sum(done.seconds for done in drains)


def cpu_us_per_point(drains: list[Drain]) -> float:
    """Processor time of all drains ÷ their points, µs."""
    return sum(done.cpu_s for done in drains) / sum(done.points for done in drains) * 1e6


def figures_of(name: str, full: list[Drain], plain: list[Drain]) -> dict[str, Any]:
    """The figures of one log (`name`: what stands in theirs) and, under `details`, each drain."""
    return {
        f"worker_{name}points_per_s": round(points_per_s(full)),
        f"worker_plain_{name}points_per_s": round(points_per_s(plain)),
        "living_share": round(points_per_s(full) / points_per_s(plain), 3),
        "details": {
            "cpu_us_per_point": round(cpu_us_per_point(full), 2),
            "plain_cpu_us_per_point": round(cpu_us_per_point(plain), 2),
            "living_share_cpu": round(cpu_us_per_point(plain) / cpu_us_per_point(full), 3),
            "drains": [_told(done) for done in full],
            "plain_drains": [_told(done) for done in plain],
        },
    }


def _told(done: Drain) -> dict[str, Any]:
    return {
        "points_per_s": round(done.points / done.seconds),
        "seconds": round(done.seconds, 2),
        "points": done.points,
        "outputs_per_s": round(done.outputs / done.seconds),
        "rss_mb": done.rss_mb,
    }


def workers(logs: dict[str, Log] | None = None, repeats: int = REPEATS) -> dict[str, Any]:
    """`worker_points_per_s`, `worker_array_points_per_s`, `worker_sparse_points_per_s`; the same of statuses alone
    (`worker_plain_points_per_s` and so on); `living_share` by log (`one`, `array`, `sparse`): the former ÷ the latter.
    """
    figures: dict[str, Any] = {}
    shares: dict[str, float] = {}
    details: dict[str, Any] = {}
    with broker() as kafka, statuses_alone() as plain:
        for name, log in (LOGS if logs is None else logs).items():
            label = name.rstrip("_") or "one"
            found = figures_of(name, *compare(kafka, plain, log, repeats))
            shares[label] = found.pop("living_share")
            details[label] = found.pop("details")
            figures |= found
    return {**figures, "living_share": shares, "details": details}
