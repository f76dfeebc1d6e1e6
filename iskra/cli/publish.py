"""`iskra publish`: points from a file or a pipe into Kafka."""

from __future__ import annotations

import contextlib
import functools
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from iskra.cli import BadInput, Unreachable
from iskra.client import BufferFull, ClientError, InvalidPoint, NotAcknowledged, Point, Producer
from iskra.client.files import BadFile, BadLine, Chunk, Format, format_of, read_csv, read_ndjson, read_parquet
from iskra.settings import FiniteRange, json_option, kafka_option, namespace_option
from schemas.points import BadPoint, parse_ts

_SHOWN = 20
"""Refused lines told one by one on stderr; the rest is counted."""
_KEPT = 100
"""Refused lines listed in the JSON summary."""
_SLICE_S = 0.05
"""A paced run sends what is due in slices of this length."""
_DRAIN_S = 30.0
"""For the last acknowledgements: a broker that was killed is back within 8 s."""
_DRAIN_AFTER_INTERRUPT_S = 5.0
"""Whoever presses Ctrl-C wants to go: what a live broker has not acknowledged by then is told as open."""


class Summary(msgspec.Struct):
    """What a run did. `read` counts points and refused lines; `refused_lines` are the first hundred."""

    file: str
    namespace: str
    read: int = 0
    acknowledged: int = 0
    refused: int = 0
    not_acknowledged: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    points_per_s: float = 0.0
    refused_lines: list[BadLine] = []


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option("--format", "kind", type=click.Choice(["ndjson", "csv", "parquet"]), help="Default: by the file's name, else ndjson.")
@click.option("--rate", type=FiniteRange(0, min_open=True), help="Points a second at the most.")
@click.option("--speed", type=FiniteRange(0, min_open=True), help="By the points' own times, so many times as fast.")
@click.option("--strict", is_flag=True, help="Stop at the first line that is refused (exit code 2).")
@kafka_option
@namespace_option
@json_option
def command(
    file: str, kind: Format | None, rate: float | None, speed: float | None, strict: bool, kafka: str, namespace: str, as_json: bool
) -> None:
    """Publish points from FILE (`-`: standard input).

    NDJSON (one point a line), CSV (the first line names the fields) or Parquet. A line that is no point is named and
    counted, the rest goes on, and the exit code is 1. Files of any size: nothing is read whole.

    Example: iskra publish points.csv --speed 10
    """
    if rate is not None and speed is not None:
        raise BadInput("--rate and --speed exclude each other: expected one of them")
    summary = Summary(file=file, namespace=namespace)
    try:
        with _terminate_as_interrupt(), _open(file) as stream:
            producer = Producer(kafka, namespace=namespace)
            run = _Run(producer, summary, strict=strict)
            _publish(run, _chunks(file, kind or format_of(file), stream), _Pace(rate, speed), size=_size(file, kind))
    except (BadFile, UnicodeDecodeError) as error:
        before = f" ({summary.acknowledged:,} points before it were acknowledged)" if summary.acknowledged else ""
        raise BadInput(f"{error}{before}") from None
    except ClientError as error:
        raise Unreachable(str(error)) from None
    _tell(summary, as_json=as_json)
    if summary.interrupted:
        sys.exit(130)
    if run.trouble is not None:
        raise Unreachable(f"{file}: {run.trouble}")
    if strict and summary.refused:
        line, reason = summary.refused_lines[0]
        raise BadInput(f"{file}:{line}: {reason} (stopped: --strict)")
    if summary.refused:
        sys.exit(1)


class _StopAtBadLineError(Exception):
    """`--strict` and a line that is refused."""


class _Run:
    """One run: sends chunks, notes what is refused."""

    def __init__(self, producer: Producer, summary: Summary, *, strict: bool) -> None:
        self.producer = producer
        self.summary = summary
        self.strict = strict
        self.trouble: str | None = None
        self.console = Console(stderr=True, highlight=False)

    def send(self, chunk: Chunk, pace: _Pace) -> None:
        """Sends a chunk's points as they become due; in strict mode nothing behind the first bad line."""
        points, lines = chunk.points, chunk.lines
        first_bad = chunk.bad[0].line if chunk.bad else None
        if self.strict and first_bad is not None:
            keep = sum(1 for line in lines if line < first_bad)
            points, lines = points[:keep], lines[:keep]
        done = 0
        for part in pace.slices(points):
            self.summary.read += len(part)
            refuse = functools.partial(self._refuse_point, lines[done : done + len(part)])
            try:
                self.producer.send_many(part, None if self.strict else refuse)
            except InvalidPoint as error:
                refuse(error.index, error)
            done += len(part)
        for bad in chunk.bad:
            self.summary.read += 1
            self.refuse(*bad)

    def _refuse_point(self, lines: list[int], index: int, error: InvalidPoint) -> None:
        self.refuse(lines[index], str(error))

    def refuse(self, line: int, reason: str) -> None:
        """Names a line that is refused."""
        summary = self.summary
        summary.refused += 1
        if len(summary.refused_lines) < _KEPT:
            summary.refused_lines.append(BadLine(line, reason))
        if self.strict:
            raise _StopAtBadLineError
        if summary.refused <= _SHOWN:
            self.console.print(f"{summary.file}:{line}: {reason}", markup=False, soft_wrap=True)
        elif summary.refused == _SHOWN + 1:
            self.console.print("… further refused lines are only counted")


def _publish(run: _Run, chunks: Iterator[Chunk], pace: _Pace, *, size: int | None) -> None:
    summary = run.summary
    started = time.monotonic()
    progress = Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        console=run.console, transient=True, disable=not run.console.is_terminal,
    )  # fmt: skip
    try:
        with progress:
            task = progress.add_task("publishing", total=size)
            for chunk in chunks:
                run.send(chunk, pace)
                progress.update(task, advance=chunk.size, description=f"{run.producer.acknowledged:,} acknowledged")
    except _StopAtBadLineError:
        pass
    except KeyboardInterrupt:
        summary.interrupted = True
    except (BufferFull, NotAcknowledged) as error:
        run.trouble = str(error)
    finally:
        try:
            run.producer.close(_DRAIN_AFTER_INTERRUPT_S if summary.interrupted else _DRAIN_S)
        except NotAcknowledged as error:
            run.trouble = str(error)
        summary.acknowledged = run.producer.acknowledged
        summary.not_acknowledged = run.producer.outstanding + run.producer.given_up
        summary.seconds = round(time.monotonic() - started, 3)
        summary.points_per_s = round(summary.acknowledged / max(summary.seconds, 0.001), 1)


class _Pace:
    """When points are due: as fast as it goes, `rate` a second, or `speed` times as fast as their own times."""

    def __init__(self, rate: float | None, speed: float | None) -> None:
        self._rate = rate
        self._speed = speed
        self._sent = 0
        self._start: float | None = None
        self._first_ts: int | None = None

    def slices(self, points: list[Point]) -> Iterator[list[Point]]:
        """The points in slices, each given out when it is due; sleeps in between."""
        if self._rate is None and self._speed is None:
            if points:
                yield points
            return
        self._start = time.monotonic() if self._start is None else self._start
        at = 0
        while at < len(points):
            now = time.monotonic() - self._start
            end = at
            while end < len(points) and self._due(points[end]) <= now:
                end += 1
                self._sent += 1
            if end > at:
                yield points[at:end]
                at = end
            if at < len(points):
                wait = self._due(points[at]) - (time.monotonic() - self._start)
                time.sleep(max(0.0, min(max(wait, _SLICE_S if self._rate else 0.0), 1.0)))

    def _due(self, point: Point) -> float:
        """Seconds after the start; a point whose time cannot be read is due at once, to be refused."""
        if self._rate is not None:
            return self._sent / self._rate
        try:
            ts = parse_ts(point.ts)
        except (BadPoint, TypeError):
            return 0.0
        if self._first_ts is None:
            self._first_ts = ts
        return (ts - self._first_ts) / 1000 / (self._speed or 1.0)


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _open(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115 - closed below; what is raised inside is not an error of opening
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected a file that can be read") from None
    with stream:
        yield stream


def _chunks(file: str, kind: Format, stream: BinaryIO) -> Iterator[Chunk]:
    if kind == "parquet":
        if file == "-":
            raise BadFile("-: Parquet cannot be read from a pipe; expected a file")
        return read_parquet(Path(file))
    return read_csv(stream, file) if kind == "csv" else read_ndjson(stream)


def _size(file: str, kind: Format | None) -> int | None:
    """Bytes of the file for the progress bar; None: unknown (a pipe, or Parquet, which counts rows)."""
    if file == "-" or (kind or format_of(file)) == "parquet":
        return None
    return Path(file).stat().st_size


def _tell(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        click.echo(orjson.dumps(msgspec.to_builtins(summary), option=orjson.OPT_INDENT_2).decode())
        return
    begin = "interrupted: " if summary.interrupted else ""
    text = f"{begin}{summary.acknowledged:,} points acknowledged in {summary.seconds:.1f} s ({summary.points_per_s:,.0f}/s)"
    if summary.refused:
        text += f", {summary.refused:,} lines refused"
    if summary.not_acknowledged:
        text += f", {summary.not_acknowledged:,} points not acknowledged"
    click.echo(text)
