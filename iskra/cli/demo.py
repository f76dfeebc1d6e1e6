"""`iskra demo`: everything on this machine, and simulated subjects to watch."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import logging
import math
import signal
import sys
import threading
import time
from pathlib import Path

import click
import msgspec
import orjson
import structlog
from rich.console import Console
from rich.text import Text

from iskra import experiment
from iskra.cli import BadInput, Unreachable
from iskra.cli.up import REFUSED
from iskra.client import ClientError, SloStatus
from iskra.demo import STORIES, SUBJECTS, Change, Report, Story
from iskra.driver import BehindError, WorkerProgress
from iskra.dry_run import DryRun, Told
from iskra.settings import DEFAULT_DATA, FiniteRange, json_option, partitions_option
from iskra.show import Show, UnrestError
from iskra.stack.errors import StackError
from iskra.stack.stack import Running, Stack, StackSettings
from schemas.topics import LIVE_NAMESPACE

NAMESPACE = "demo"
"""The simulated subjects' own; the live namespace runs beside it."""

MARKS = {"OK": ("●", "green"), "WARN": ("▲", "yellow"), "BLOCK": ("■", "red"), "UNKNOWN": ("◌", "bright_black")}
"""Shape and word always stand beside the colour."""


@click.command(epilog="Example: iskra demo --speed 10 --check")
@click.option(
    "--show",
    "kind",
    type=click.Choice(["dry-run", "drifts"]),
    default="dry-run",
    show_default=True,
    help="The experiment Stagnation → Creative, 140 virtual minutes; or short drifts of one vital, two minutes each.",
)
@click.option(
    "--speed",
    type=FiniteRange(0.1, 1000),
    default=None,
    help="Virtual seconds a second; verdicts are the same. By default 20 for the dry run (7 minutes), 1 for drifts.",
)
@click.option(
    "--duration", type=FiniteRange(0, min_open=True), metavar="S", help="End after so many seconds, when the story that runs is over."
)
@click.option("--check", is_flag=True, help="Exit 1 unless everything that was announced happened; without --duration one story is told.")
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), envvar="ISKRA_DATA", default=DEFAULT_DATA, show_default=True, metavar="DIR",
    help="Broker's log, tables, logs of the parts.",
)  # fmt: skip
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port of the live pages on loopback.")
@click.option("--kafka", default=None, metavar="HOST:PORT", help="Your Kafka, in place of the embedded one.")
@click.option("--clickhouse", default=None, metavar="URL", help="Your ClickHouse, in place of the embedded engine.")
@partitions_option
@json_option
def command(
    kind: str,
    speed: float | None,
    duration: float | None,
    check: bool,
    data: Path,
    port: int,
    kafka: str | None,
    clickhouse: str | None,
    partitions: int,
    as_json: bool,
) -> None:
    """The whole of Iskra on this machine, and a dozen simulated subjects to watch.

    One of them drifts into stagnation and is brought back: statuses, voices, Iskriv's review, the injection that its own
    side takes up, the synthesis. (Or, with --show drifts, one after the other drifts out of range and returns.) The subjects
    live in a namespace of their own, `demo`, in virtual time, beside the live one. What is told here was read from the
    output topics. Ctrl-C stops all, in order.
    """
    # the story is what people are here for: of the parts only what is wrong
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    settings = StackSettings(
        data=data, port=port, kafka=kafka, clickhouse=clickhouse, namespaces=(LIVE_NAMESPACE, NAMESPACE), partitions=partitions
    )
    narrator = Terminal(Console(stderr=as_json, highlight=False, soft_wrap=True))
    if kind == "dry-run":
        _dry_run(settings, narrator, speed=speed or 20.0, duration=duration, check=check, as_json=as_json)
        return
    speed = speed or 1.0
    try:
        reports = asyncio.run(_run(settings, narrator, speed=speed, duration=duration, once=check and duration is None))
    except REFUSED as error:
        raise BadInput(str(error)) from None
    except (StackError, ClientError, BehindError) as error:
        raise Unreachable(str(error)) from None
    except UnrestError as error:
        narrator.console.print(str(error), style="red")
        reports = []
    happened = bool(reports) and all(report.happened for report in reports)
    if as_json:
        document = {"happened": happened, "speed": speed, "stories": msgspec.to_builtins(reports)}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    if check:
        verdict = "everything announced happened" if happened else "not everything announced happened"
        narrator.console.print(
            f"{verdict}: {sum(r.happened for r in reports)} of {len(reports)} stories", style="green" if happened else "red"
        )
        sys.exit(0 if happened else 1)


async def _run(settings: StackSettings, narrator: Terminal, *, speed: float, duration: float | None, once: bool) -> list[Report]:
    """Starts the stack, runs the show in a thread, stops when it ends or a signal comes."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    stack = Stack(settings)

    def ask() -> None:
        if asked.is_set():
            stack.hurry()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask)
    narrator.line("starting broker, store, workers, sinks and gateway …")
    waiting = asyncio.create_task(asked.wait())
    starting = asyncio.create_task(stack.start())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
        return []
    await starting
    try:
        narrator.welcome(stack.running, stack.ready_s, speed)
        show = Show(stack.running.kafka, NAMESPACE, WorkerProgress(lambda: _workers(stack.running)), narrator, speed=speed)
        ends = math.inf if duration is None else time.monotonic() + duration
        one_story = STORIES[0].length + 30
        wall = one_story / speed if once else duration
        telling = asyncio.create_task(asyncio.to_thread(show.run, itertools.cycle(STORIES), lambda: once or time.monotonic() >= ends, wall))
        await asyncio.wait({telling, waiting}, return_when=asyncio.FIRST_COMPLETED)
        show.stop()
        return await telling
    finally:
        narrator.line("stopping …")
        waiting.cancel()
        await stack.stop()


def _dry_run(settings: StackSettings, narrator: Terminal, *, speed: float, duration: float | None, check: bool, as_json: bool) -> None:
    """Plays the dry run, again and again with other seeds; with --check once, or for so long as --duration says."""
    begun = time.monotonic()

    def enough() -> bool:
        return check if duration is None else time.monotonic() - begun >= duration

    def work(running: Running, stop: threading.Event) -> list[Told]:
        narrator.welcome(running, 0.0, speed)
        show = DryRun(running.kafka, NAMESPACE, WorkerProgress(lambda: _workers(running)), narrator.line, speed=speed, stop=stop)
        return show.run(enough)

    narrator.line("starting broker, store, workers, sinks and gateway …")
    try:
        told = asyncio.run(experiment.with_stack(settings, work))
    except REFUSED as error:
        raise BadInput(str(error)) from None
    except experiment.Stopped:
        told = []
    except (StackError, ClientError, BehindError) as error:
        raise Unreachable(str(error)) from None
    happened = bool(told) and all(run.passed for run in told)
    if as_json:
        document = {"happened": happened, "speed": speed, "runs": msgspec.to_builtins(told)}
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    if check:
        verdict = "everything announced happened" if happened else "not everything announced happened"
        narrator.console.print(f"{verdict}: {sum(run.passed for run in told)} of {len(told)} runs", style="green" if happened else "red")
        sys.exit(0 if happened else 1)


def _workers(running: Running) -> list[str]:
    """The /metrics of the demonstration's workers."""
    return [url for name, url in running.metrics.items() if name.startswith("worker") and name.endswith(NAMESPACE)]


class Terminal:
    """Tells the stories on a terminal, in lines: fine in a pipe, too."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._telling = False
        self._counted: dict[str, int] = {}

    def line(self, text: str | Text, at: int | None = None) -> None:
        """One line; `at` is virtual time, epoch ms."""
        clock = "" if at is None else f"{dt.datetime.fromtimestamp(at / 1000, dt.UTC):%H:%M:%S}  "
        self.console.print(Text.assemble((clock, "bright_black"), text))

    def welcome(self, running: Running, ready_s: float, speed: float) -> None:
        """Everything is up."""
        ready = f"ready in {ready_s:.1f} s" if ready_s else "ready"
        self.line(f"{ready}; {len(SUBJECTS)} simulated subjects in namespace {NAMESPACE}, time runs at {speed:g}×")
        if running.gateway is not None:
            self.line(Text.assemble("watch them live:  ", (f"{running.gateway}/pulse?namespace={NAMESPACE}", "bold underline")))
        self.line("Ctrl-C stops everything")

    def verdict(self, change: Change, status: SloStatus) -> None:
        """One verdict in one plain sentence; the dozens of first ones, before there is a story, are only counted."""
        if not self._telling and status.level in ("OK", "UNKNOWN"):
            return
        mark, colour = MARKS[status.level]
        head = f"{mark} {status.level}{f' {status.priority}' if status.priority else ''}"
        self.line(Text.assemble((f"{head:<12}", colour), f"{change.subject} {change.metric}: {_why(status)}"), at=change.since)

    def begins(self, story: Story, second: int) -> None:
        """What is announced."""
        self._telling = True
        text = f"announced: {story.subject} is about to drift ({story.why}): WARN, then BLOCK, then OK within {story.length} s; nobody else"
        self.line(Text(text, "bold"), at=second * 1000)

    def ended(self, report: Report, second: int) -> None:
        """What came of it."""
        self._telling = False
        self._counted = {}
        seen = " → ".join(change.level + (f" {change.priority}" if change.priority else "") for change in report.seen) or "nothing"
        strays = f"; besides {', '.join(f'{c.subject} {c.metric} {c.level}' for c in report.strays)}" if report.strays else ""
        text = f"{'it happened' if report.happened else 'it did not happen'}: {report.subject} {report.metric} was seen at {seen}{strays}"
        self.line(Text(text, "bold green" if report.happened else "bold red"), at=second * 1000)

    def barrier(self, second: int, levels: dict[str, int]) -> None:
        """Between stories: how many vitals stand where."""
        if self._telling or levels == self._counted:
            return
        self._counted = levels
        parts: list[tuple[str, str]] = []
        for level, count in levels.items():
            mark, colour = MARKS[level]
            parts += [(f"{mark} {count} {level}   ", colour if count else "bright_black")]
        self.line(Text.assemble("vitals seen so far:  ", *parts), at=second * 1000)


def _why(status: SloStatus) -> str:
    """Why the status is what it is, in words and numbers."""
    seconds = status.window_ms // 1000
    points = f"{status.evidence.count} points"
    if status.level == "UNKNOWN" or status.value is None:
        return f"{status.reason or 'no data'}, {points} in {seconds} s"
    if status.bound is None:
        return f"{seconds} s mean {status.value:.3f}, inside its bounds ({points})"
    beyond = ">" if status.side == "high" else "<"
    if status.fast_value is not None and status.priority == "P0":
        return f"3 s mean {status.fast_value:.3f} or {seconds} s mean {status.value:.3f} {beyond} {status.bound:g} ({points})"
    return f"{seconds} s mean {status.value:.3f}, bound {beyond} {status.bound:g} ({points})"
