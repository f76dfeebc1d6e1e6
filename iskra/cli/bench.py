"""`iskra bench`: one benchmark each, bounded in time, on a stack of its own in a temporary directory."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console

from iskra import config_files
from iskra.settings import json_option

Figures = dict[str, Any]


def _engine(_seconds: int) -> Figures:
    from benchmarks import engine

    return engine.run(config_files.load())


def _ingest(seconds: int) -> Figures:
    from benchmarks import sink
    from benchmarks.living import workers
    from benchmarks.pair import pair
    from benchmarks.path import path

    figures = workers()
    both = pair()
    figures["details"]["pair"] = both.pop("details")
    figures |= both
    stored = sink.alone()
    whole = path(seconds=seconds)
    details = figures.pop("details") | {"sink": stored, "path": whole.pop("details")}
    return figures | {"sink_points_per_s": stored["sink_points_per_s"]} | whole | {"details": details}


def _detect(seconds: int) -> Figures:
    from benchmarks.detect import detect

    return detect(seconds=min(seconds, 60))


def _recover(_seconds: int) -> Figures:
    from benchmarks.recover import recover

    return recover()


def _alerts(seconds: int) -> Figures:
    from benchmarks.alerts import alerts

    return alerts(seconds=min(seconds, 60))


def _experiments(_seconds: int) -> Figures:
    from benchmarks.experiments import experiments

    return experiments(config_files.load())


def _noise(_seconds: int) -> Figures:
    from benchmarks.noise import noise

    return noise(config_files.load())


def _scale(seconds: int) -> Figures:
    from benchmarks.scale import scale

    return scale(config_files.load(), seconds=min(seconds, 180))


BENCHES: dict[str, tuple[Callable[[int], Figures], str]] = {
    "ingest": (
        _ingest,
        "points a second: worker alone (one a message, arrays, sparse), with statuses alone too; sink alone; the whole path",
    ),
    "detect": (_detect, "point produced → status, and a voice's activation, readable, with everything running; activations a second"),
    "recover": (_recover, "kill -9 of each process under load: seconds, lost, doubled, differing"),
    "alerts": (_alerts, "point of a P0 alert → the notifier's request, and alerts a second, with everything running"),
    "engine": (_engine, "the engine alone, offline, on one core: points, rules, and the share that the living part leaves"),
    "experiments": (_experiments, "dry runs an hour with the engine alone, and the speed of one through the stack"),
    "noise": (_noise, "100 healthy subjects for 24 h, and 500 injected incidents: what is told, and how soon; minutes"),
    "scale": (_scale, "a worker with 100,000 subjects at a point in 10 s: memory, points a second, checkpoint kept; minutes"),
}


@click.command(epilog="Example: iskra bench engine --json", short_help="Benchmarks, each bounded in time, on a stack of its own.")
@click.argument("name", type=click.Choice(list(BENCHES)), metavar="NAME")
@click.option("--seconds", type=click.IntRange(5, 3600), default=60, show_default=True, help="Length of the sustained part.")
@json_option
def command(name: str, seconds: int, as_json: bool) -> None:
    """Run the benchmark NAME: ingest, detect, recover, alerts, engine, experiments, noise or scale.

    It uses loopback only, and nothing of a running stack.
    """
    from benchmarks.machine import Stolen, machine

    console = Console(stderr=True)
    run, what = BENCHES[name]
    before = machine()
    stolen = Stolen()
    with console.status(f"{name}: {what}"):
        figures = run(seconds)
    before["stolen_share"] = stolen.share()
    details = figures.pop("details", {})
    document = {"bench": name, "figures": figures, "details": details, "machine": before, "command": shlex.join(["iskra", *sys.argv[1:]])}
    if as_json:
        click.echo(json.dumps(document))
        return
    for figure, value in figures.items():
        click.echo(f"{figure:32} {value:,}" if isinstance(value, int | float) else f"{figure:32} {json.dumps(value)}")
    click.echo(f"{'details':32} {json.dumps(details)}")
