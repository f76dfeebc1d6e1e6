"""`iskra experiment`: scenarios, run with the engine alone or through the whole stack."""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec
import orjson
import structlog
from rich.console import Console
from rich.progress import Progress as Bar

from experiments import offline, report
from experiments import scenario as scenarios
from experiments.expectations import Outcome, clock, judge
from experiments.journal import Journal, contents
from experiments.many import SeedResult, run_many
from experiments.scenario import Scenario, ScenarioError
from experiments.snapshot import Run, snapshot
from iskra import config_files, experiment
from iskra.cli import BadInput, Unreachable
from iskra.cli.commanding import print_json
from iskra.cli.up import REFUSED
from iskra.client import ClientError, Message
from iskra.driver import BehindError, WorkerProgress
from iskra.settings import FiniteRange, json_option
from iskra.stack.errors import StackError
from iskra.stack.stack import Running, StackSettings
from schemas.config import Config, config_hash
from schemas.events import ActionEvent, VoiceEvent

DEFAULT_OUT = Path(".iskra") / "experiments"
LEAST_SHARE = 0.95
"""Of many seeds so many must pass."""

_config_option = click.option(
    "--config", "config_dir", type=click.Path(path_type=Path), default=None, metavar="DIR",
    help="Configuration with its scenarios, in place of the built-in one.",
)  # fmt: skip


@click.group()
def command() -> None:
    """Simulated subjects in closed loop with Iskra: what must come of a scenario, and whether it did.

    Example: iskra experiment run stagnation-creative --offline
    """


@command.command("list", epilog="Example: iskra experiment list")
@_config_option
@json_option
def list_(config_dir: Path | None, as_json: bool) -> None:
    """The scenarios there are."""
    try:
        found = {name: scenarios.load(name, config_dir) for name in scenarios.names(config_dir)}
    except ScenarioError as error:
        raise BadInput(str(error)) from None
    if as_json:
        told = [
            {"name": name, "title": s.title, "minutes": s.length / 60_000, "about": s.about.strip(), "expectations": len(s.expect)}
            for name, s in found.items()
        ]
        print_json(told)
        return
    for name, scenario in found.items():
        click.echo(f"{name:<22} {scenario.length / 60_000:>4g} min  {scenario.title}")


@command.command("run", epilog="Example: iskra experiment run stagnation-creative --speed 100 --out run")
@click.argument("name")
@click.option("--offline", "alone", is_flag=True, help="The engine alone, in memory: about a second, no broker.")
@click.option("--speed", type=FiniteRange(0.1), default=None, help="Virtual seconds a second; by default as fast as the worker follows.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of noise and of the variation between runs.")
@click.option("--seeds", type=click.IntRange(1), default=None, metavar="N", help="The engine alone for the seeds 1 … N, in parallel.")
@click.option("--processes", type=click.IntRange(1), default=None, help="For --seeds; by default one a core.")
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), default=None, metavar="DIR",
    help=f"Where log, plot and snapshot go; by default {DEFAULT_OUT}/NAME/seed-N.",
)  # fmt: skip
@click.option("--kafka", default=None, metavar="HOST:PORT", help="Your Kafka, in place of an embedded one in a temporary directory.")
@_config_option
@json_option
def run(
    name: str,
    alone: bool,
    speed: float | None,
    seed: int,
    seeds: int | None,
    processes: int | None,
    out: Path | None,
    kafka: str | None,
    config_dir: Path | None,
    as_json: bool,
) -> None:
    """Run the scenario NAME and write its execution log, plot and ∆DΩΛ snapshot.

    Through the whole stack (a broker and a worker of its own, a namespace in virtual time) unless --offline. Verdicts are
    the same either way and at any speed; a run through the stack checks that. Exit 1 if something expected did not come
    (of --seeds: if less than 95 % pass).
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    if (alone or seeds is not None) and (speed is not None or kafka is not None):
        raise BadInput("experiment run: --speed and --kafka are for a run through the stack; --offline and --seeds have neither")
    try:
        config = config_files.load(config_dir)
        scenario, model, states = scenarios.load(name, config_dir), scenarios.load_model(config_dir), scenarios.load_states(config_dir)
    except (ScenarioError, config_files.ConfigError) as error:
        raise BadInput(str(error)) from None
    if seeds is None:
        out = out or DEFAULT_OUT / name / f"seed-{seed}"
    if out is not None:
        _make(out)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if seeds is not None:
        with Bar(console=console, transient=True) as bar:
            task = bar.add_task(f"{seeds} seeds", total=seeds)
            results = []
            for result in run_many(scenario, model, config, states, seeds=range(1, seeds + 1), start=experiment.T0, processes=processes):
                results.append(result)
                bar.advance(task)
        _tell_many(name, results, out, as_json)
        return
    if alone:
        journal = offline.run(scenario, model, config, states, seed=seed, start=experiment.T0)
        by = "the engine alone"
    else:
        journal = _through(scenario, model, config, states, seed, speed, kafka, config_dir, console)
        by = "broker and worker"
    outcomes = judge(scenario, journal)
    which = Run(name, seed, experiment.T0, config_hash(config), by)
    assert out is not None
    with _writing(out):
        files = report.write(out, which, scenario, config, journal, outcomes)
    equal = None if alone else _equals(journal, offline.run(scenario, model, config, states, seed=seed, start=experiment.T0))
    _tell(which, scenario, journal, outcomes, files, equal, as_json)


def _make(out: Path) -> None:
    """Makes the directory before the run, which would be lost if nothing of it could be written."""
    with _writing(out):
        out.mkdir(parents=True, exist_ok=True)
        if not os.access(out, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """What hinders writing into `out` is told in one line, exit code 2."""
    try:
        yield
    except OSError as error:
        raise BadInput(f"--out: {out}: {error.strerror}; expected a directory that can be written") from None


def _through(
    scenario: Scenario,
    model: scenarios.SubjectModel,
    config: Config,
    states: dict[str, str | None],
    seed: int,
    speed: float | None,
    kafka: str | None,
    config_dir: Path | None,
    console: Console,
) -> Journal:
    """The run through broker and worker, told as it goes."""
    with tempfile.TemporaryDirectory(prefix="iskra-experiment-") as folder:
        namespace = f"experiment-{Path(folder).name.rpartition('-')[2]}".replace("_", "-")
        settings = StackSettings(
            data=Path(folder) / "data", kafka=kafka, config=config_dir, namespaces=(namespace,), partitions=1,
            gateway=False, sinks=False, notify=False, reporter=False,
        )  # fmt: skip
        minutes = scenario.length / 60_000
        with Bar(console=console, transient=True) as bar:
            task = bar.add_task("starting broker and worker", total=minutes)

            def heard(message: Message) -> None:
                line = _line(message, experiment.T0)
                if line is not None:
                    bar.console.print(line)

            def work(running: Running, stop: threading.Event) -> Journal:
                bar.update(task, description=scenario.title)
                return experiment.run(
                    running.kafka, namespace, WorkerProgress(lambda: experiment.workers(running)), scenario, model, config, states,
                    seed=seed, speed=speed or math.inf, heard=heard, stop=stop,
                    passed=lambda second: bar.update(task, completed=min(second / 60, minutes)),
                )  # fmt: skip

            try:
                return asyncio.run(experiment.with_stack(settings, work))
            except REFUSED as error:
                raise BadInput(str(error)) from None
            except experiment.Stopped as error:
                raise click.Abort(str(error)) from None
            except (StackError, ClientError, BehindError) as error:
                raise Unreachable(str(error)) from None


def _line(message: Message, start: int) -> str | None:
    value = message.value
    at = clock(message.ts - start * 1000)
    if isinstance(value, ActionEvent):
        reason = f": {value.review.reason}" if value.review is not None and value.state in ("approved", "refused") else ""
        return f"{at:>9}  action {value.action} {value.state}{reason}"
    if isinstance(value, VoiceEvent) and value.event not in ("symbol", "mode"):
        return f"{at:>9}  voice {value.voice} {value.event}: {value.reason or value.rule or ''}"
    return None


def _equals(journal: Journal, alone: Journal) -> bool:
    """Whether the stack said what the engine alone says."""
    return contents(journal) == contents(alone)


def _tell(
    which: Run, scenario: Scenario, journal: Journal, outcomes: list[Outcome], files: list[Path], equal: bool | None, as_json: bool
) -> None:
    passed = all(outcome.met for outcome in outcomes)
    if as_json:
        document: dict[str, Any] = {
            "experiment": which.id, "passed": passed, "equal_to_engine_alone": equal, "outcomes": msgspec.to_builtins(outcomes),
            "snapshot": snapshot(which, scenario, journal, outcomes), "files": [str(file) for file in files],
        }  # fmt: skip
        print_json(document)
    else:
        for outcome in outcomes:
            click.echo(f"{'met    ' if outcome.met else 'NOT MET'}  {outcome.name}: expected {outcome.expected}; found {outcome.found}")
        if equal is not None:
            count = sum(len(one.entries) for _, one in journal.subjects())
            click.echo(f"{'equal' if equal else 'NOT EQUAL'} to what the engine alone says ({count} outputs)")
        click.echo(f"{'passed' if passed else 'failed'}: {sum(o.met for o in outcomes)} of {len(outcomes)} expectations met")
        for file in files:
            click.echo(f"  {file}")
    sys.exit(0 if passed and equal is not False else 1)


def _tell_many(name: str, results: list[SeedResult], out: Path | None, as_json: bool) -> None:
    passed = sum(result.passed for result in results)
    share = passed / len(results)
    missed: dict[str, int] = {}
    for result in results:
        for outcome in result.outcomes:
            if not outcome.met:
                missed[outcome.name] = missed.get(outcome.name, 0) + 1
    document = {
        "scenario": name,
        "seeds": len(results),
        "passed": passed,
        "missed": missed,
        "failed_seeds": [result.seed for result in results if not result.passed],
        "results": msgspec.to_builtins(results),
    }
    if out is not None:
        with _writing(out):
            (out / f"{name}-seeds.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    if as_json:
        print_json(document)
    else:
        click.echo(f"{passed} of {len(results)} seeds passed")
        for what, count in missed.items():
            click.echo(f"  not met {count} times: {what}")
    sys.exit(0 if share >= LEAST_SHARE else 1)
