"""`iskra evaluate`: the engine alone, offline, over a file of points."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from iskra import config_files
from iskra.cli import BadInput
from iskra.evaluation import evaluate
from processors.engine import Output
from schemas.durations import parse_duration
from schemas.messages import MESSAGES


class _Line(msgspec.Struct):
    topic: str
    key: str
    id: str
    ts: int
    value: msgspec.Raw


class DurationType(click.ParamType):
    """A duration option, e.g. 66s or 30d; its value is ms."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The option's text as ms."""
        if isinstance(value, int):
            return value
        try:
            return int(parse_duration(str(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for number, line in enumerate(file):
        stripped = (line if number else line.removeprefix(BOM_UTF8)).strip()
        if stripped:
            yield stripped


def encode_line(output: Output) -> bytes:
    """One output as a line of NDJSON (without its end)."""
    return msgspec.json.encode(
        _Line(output.topic, output.key.decode(), output.id, output.ts, msgspec.Raw(msgspec.json.encode(output.value)))
    )


@click.command(
    epilog="Example: iskra evaluate points.ndjson --topics slo.status | head",
    short_help="The engine alone over a file of points.",
)
@click.argument("file", type=click.Path(allow_dash=True, dir_okay=False))
@click.option("--config", "config_dir", type=click.Path(path_type=Path), help="Directory of the configuration; default: the one in use.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write here; default: stdout.")
@click.option("--topics", metavar="A,B", help="Only these topics' outputs, e.g. slo.windows,slo.status.")
@click.option("--drain", type=DurationType(), default="66s", show_default=True, help="Go on with ticks for so long after the last point.")
@click.option("--max-jump", type=DurationType(), default="30d", show_default=True, help="Refuse a point further ahead of the one before.")
def command(file: str, config_dir: Path | None, out: Path | None, topics: str | None, drain: int, max_jump: int) -> None:
    """Compute every output for the points in FILE (NDJSON: a point or an array a line; `-`: stdin), in order, as NDJSON.

    Points are taken in the order of the file, never sorted; blank lines are no records; refused ones become dead letters.
    """
    wanted = frozenset(topics.split(",")) if topics else None
    if wanted is not None:
        unknown = sorted(wanted - MESSAGES.keys())
        if unknown:
            raise BadInput(f"--topics: {unknown[0]}: expected some of {', '.join(sorted(MESSAGES))}")
    try:
        config = config_files.load(config_dir)
    except config_files.ConfigError as error:
        raise BadInput(str(error)) from None
    try:
        source = sys.stdin.buffer if file == "-" else Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise BadInput(f"{file}: {error.strerror}; expected a file of points") from None
    if out is not None and out.exists() and file != "-" and out.samefile(file):
        raise BadInput(f"{out}: expected another file than the one that is read, which would be emptied")
    try:
        sink = sys.stdout.buffer if out is None else out.open("wb")
    except OSError as error:
        raise BadInput(f"{out}: {error.strerror}; expected a file to write to") from None
    with source, sink:
        try:
            for outputs in evaluate(_lines(source), config, drain_ms=drain, max_jump_ms=max_jump):
                for output in outputs:
                    if wanted is None or output.topic in wanted:
                        sink.write(encode_line(output) + b"\n")
        except BrokenPipeError:
            sys.stderr.close()
            return
