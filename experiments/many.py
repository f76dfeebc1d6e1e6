"""Many seeds of one scenario, each with the engine alone, in parallel processes."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import msgspec

from experiments.expectations import Outcome, judge
from experiments.offline import run
from experiments.scenario import Scenario, SubjectModel
from schemas.config import Config, from_json, to_json
from schemas.durations import decode_hook


class SeedResult(msgspec.Struct, frozen=True):
    """How one seed went: whether every expectation was met, and all of them."""

    seed: int
    passed: bool
    outcomes: list[Outcome]


_Task = tuple[Scenario, SubjectModel, Config, dict[str, str | None], int]
_task: _Task | None = None


def run_many(
    scenario: Scenario,
    model: SubjectModel,
    config: Config,
    states: dict[str, str | None],
    *,
    seeds: Sequence[int],
    start: int,
    processes: int | None = None,
) -> Iterator[SeedResult]:
    """Runs the seeds; yields each result as it comes, in the order of `seeds`.

    Args:
        start: epoch s of each run's beginning. processes: None: as many as there are cores; 1: in this process.
    """
    processes = min(processes or os.cpu_count() or 1, len(seeds))
    if processes <= 1:
        yield from (_one((scenario, model, config, states, start), seed) for seed in seeds)
        return
    # fresh interpreters: a fork of a process with threads (Kafka's, Faust's) may hang
    context = multiprocessing.get_context("spawn")
    arguments = (msgspec.to_builtins(scenario, enc_hook=int), msgspec.to_builtins(model, enc_hook=int), to_json(config), states, start)
    with ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=arguments) as pool:
        yield from pool.map(_run, seeds)


def _begin(scenario: object, model: object, config: bytes, states: dict[str, str | None], start: int) -> None:
    global _task  # noqa: PLW0603 - what a worker process of the pool works at, set once
    _task = (
        msgspec.convert(scenario, Scenario, dec_hook=decode_hook),
        msgspec.convert(model, SubjectModel, dec_hook=decode_hook),
        from_json(config),
        states,
        start,
    )


def _run(seed: int) -> SeedResult:
    assert _task is not None
    return _one(_task, seed)


def _one(task: _Task, seed: int) -> SeedResult:
    scenario, model, config, states, start = task
    outcomes = judge(scenario, run(scenario, model, config, states, seed=seed, start=start))
    return SeedResult(seed, all(outcome.met for outcome in outcomes), outcomes)
