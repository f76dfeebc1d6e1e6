"""Experiments: how many dry runs an hour with the engine alone, and how fast one goes through the stack."""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from experiments import scenario as scenarios
from experiments.expectations import judge
from experiments.many import run_many
from iskra import experiment
from iskra.driver import WorkerProgress
from iskra.stack.stack import Running, StackSettings
from schemas.config import Config

SCENARIO = "stagnation-creative"


def experiments(config: Config, *, seeds: int = 20, name: str = SCENARIO) -> dict[str, Any]:
    """`per_hour`: runs of the scenario an hour offline, all cores; `speed_through_stack`: virtual seconds a second."""
    scenario, model, states = scenarios.load(name), scenarios.load_model(), scenarios.load_states()
    began = time.monotonic()
    results = list(run_many(scenario, model, config, states, seeds=range(1, seeds + 1), start=experiment.T0))
    offline_s = time.monotonic() - began
    with tempfile.TemporaryDirectory(prefix="iskra-bench-") as folder:
        settings = StackSettings(
            data=Path(folder) / "data", namespaces=("bench",), partitions=1, gateway=False, sinks=False, notify=False, reporter=False
        )

        def work(running: Running, stop: threading.Event) -> tuple[float, bool]:
            progress = WorkerProgress(lambda: experiment.workers(running))
            start = time.monotonic()
            journal = experiment.run(running.kafka, "bench", progress, scenario, model, config, states, seed=1, stop=stop)
            return time.monotonic() - start, all(outcome.met for outcome in judge(scenario, journal))

        stack_s, passed = asyncio.run(experiment.with_stack(settings, work))
    return {
        "per_hour": round(seeds / offline_s * 3600),
        "speed_through_stack": round(scenario.length / 1000 / stack_s, 1),
        "details": {
            "scenario": name,
            "seeds": seeds,
            "passed": sum(result.passed for result in results),
            "processes": os.cpu_count(),
            "offline_s": round(offline_s, 2),
            "stack_s": round(stack_s, 2),
            "stack_passed": passed,
        },
    }
