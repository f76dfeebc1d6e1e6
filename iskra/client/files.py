"""Points from files, read as they come and never whole: NDJSON, CSV, Parquet.

Everything comes in chunks of what was there to read, so that a slow pipe is not made to wait for a full one. A line
that cannot be read costs only itself: it is named by its number (from 1; in Parquet the row's) and its reason.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import msgspec

from schemas.points import DEFAULT_TENANT, Point

Format = Literal["ndjson", "csv", "parquet"]

FORMATS: dict[str, Format] = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".csv": "csv", ".parquet": "parquet"}
"""By the name's end; anything else, and standard input, is NDJSON."""

MAX_LINE_BYTES = 1_048_576
_TOO_LONG = f"expected a line of at most {MAX_LINE_BYTES} bytes"
_READ_BYTES = 262_144
_PARQUET_ROWS = 8192
_REQUIRED = ("subject", "metric", "value", "ts")
_OPTIONAL = ("tenant", "source")

_POINT = msgspec.json.Decoder(Point)


class BadFile(ValueError):
    """A file that cannot be read as a whole; the text is `FILE:LINE: what was expected`."""


class BadLine(NamedTuple):
    """A line (or row, from 1) that holds no point, and why."""

    line: int
    reason: str


class Chunk(NamedTuple):
    """What one read gave: points with their lines, lines that hold none, and how many bytes (rows in Parquet) it took."""

    points: list[Point]
    lines: list[int]
    bad: list[BadLine]
    size: int


def format_of(name: str) -> Format:
    """The format that a file's name tells."""
    return FORMATS.get(Path(name).suffix.lower(), "ndjson")


def read_ndjson(stream: BinaryIO) -> Iterator[Chunk]:
    """Points of a stream with one JSON object a line; blank lines are no points."""
    for first, lines, size in _lines(stream):
        points: list[Point] = []
        numbers: list[int] = []
        bad: list[BadLine] = []
        for number, raw in enumerate(lines, first):
            try:
                points.append(_POINT.decode(raw))
                numbers.append(number)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if raw.strip():
                    bad.append(BadLine(number, _why(raw, error)))
        yield Chunk(points, numbers, bad, size)


def read_csv(stream: BinaryIO, name: str) -> Iterator[Chunk]:
    """Points of a CSV stream whose first line names the fields, in any order.

    Raises:
        BadFile: the header lacks a field or has an unknown one; `name` stands for the file.
    """
    header: list[str] | None = None
    for first, lines, size in _lines(stream):
        points: list[Point] = []
        numbers: list[int] = []
        bad: list[BadLine] = []
        for number, raw in enumerate(lines, first):
            try:
                row = _fields(raw)
                if row == [""]:
                    continue
                if header is None:
                    header = _header(row, name, number)
                    continue
                points.append(_from_texts(header, row))
                numbers.append(number)
            except BadFile:
                raise
            except ValueError as error:
                bad.append(BadLine(number, str(error)))
            except csv.Error as error:
                bad.append(BadLine(number, f"CSV: {error}"))
        yield Chunk(points, numbers, bad, size)
    if header is None:
        raise BadFile(f"{name}:1: expected a header with the fields {', '.join(_REQUIRED)}")


def read_parquet(path: Path) -> Iterator[Chunk]:
    """Points of a Parquet file with columns named like the fields; `ts` integer ms, text, or a timestamp with a zone.

    Raises:
        BadFile: no Parquet, a column is missing, unknown or of a type that holds no such thing, or rows cannot be read.
    """
    # half a second to import: only who reads Parquet pays
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise BadFile(f"{path}:1: expected a Parquet file: {str(error).splitlines()[0]}") from None
    with file:
        columns = _header(list(file.schema_arrow.names), str(path), 1)
        for name in columns:
            _check_type(name, file.schema_arrow.field(name).type, path, pa)
        batches = file.iter_batches(batch_size=_PARQUET_ROWS)
        row = 1
        while True:
            try:
                batch = next(batches, None)
                if batch is None:
                    return
                values = [_column(batch.column(name), pa) for name in columns]
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise BadFile(f"{path}:{row}: expected rows that can be read: {str(error).splitlines()[0]}") from None
            points: list[Point] = []
            numbers: list[int] = []
            bad: list[BadLine] = []
            for number, items in enumerate(zip(*values, strict=True), row):
                try:
                    points.append(_from_values(dict(zip(columns, items, strict=True))))
                    numbers.append(number)
                except ValueError as error:
                    bad.append(BadLine(number, str(error)))
            yield Chunk(points, numbers, bad, batch.num_rows)
            row += batch.num_rows


def _lines(stream: BinaryIO) -> Iterator[tuple[int, list[bytes], int]]:
    """(number of the first line, whole lines, bytes read) for each read; a line that is too long comes cut, so it is refused."""
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    number, rest, skipping = 1, b"", False
    while data := read(_READ_BYTES):
        size = len(data)
        if number == 1 and not rest:
            data = data.removeprefix(b"\xef\xbb\xbf")
        *lines, last = data.split(b"\n")
        if lines:
            lines[0] = rest + lines[0]
            rest = last
            if skipping:
                # the end of the line that was given out cut
                del lines[0]
                number, skipping = number + 1, False
        elif not skipping:
            rest += last
        if len(rest) > MAX_LINE_BYTES:
            lines.append(rest)
            yield number, lines, size
            number, rest, skipping = number + len(lines) - 1, b"", True
            continue
        if skipping:
            rest = b""
        yield number, lines, size
        number += len(lines)
    if rest:
        yield number, [rest], 0


def _fields(raw: bytes) -> list[str]:
    """The fields of one CSV line, read by itself: no legal field holds a newline, and a stray quote would take all lines
    behind it for its field.

    Raises:
        ValueError: the line is too long. csv.Error: its quotes do not fit.
    """
    if len(raw) > MAX_LINE_BYTES:
        raise ValueError(_TOO_LONG)
    text = raw.decode("utf-8", "replace").rstrip("\r")
    # a reader for each line would make files without quotes, nearly all, a third slower
    return next(csv.reader([text], strict=True)) if '"' in text else text.split(",")


def _why(raw: bytes, error: Exception) -> str:
    if len(raw) > MAX_LINE_BYTES:
        return _TOO_LONG
    text = str(error)
    return text if isinstance(error, msgspec.ValidationError) else f"expected a JSON object with the fields of a point: {text}"


def _header(names: list[str], name: str, line: int) -> list[str]:
    names = [column.strip() for column in names]
    for column in names:
        if column not in _REQUIRED and column not in _OPTIONAL:
            raise BadFile(f"{name}:{line}: {column!r}: expected the fields {', '.join((*_REQUIRED, *_OPTIONAL))}")
        if names.count(column) > 1:
            raise BadFile(f"{name}:{line}: {column!r}: expected once")
    for column in _REQUIRED:
        if column not in names:
            raise BadFile(f"{name}:{line}: {column}: expected this field in the header")
    return names


def _from_texts(header: list[str], row: list[str]) -> Point:
    if len(row) != len(header):
        raise ValueError(f"expected {len(header)} fields, got {len(row)}")
    fields = dict(zip(header, row, strict=True))
    value, ts = fields["value"].strip(), fields["ts"].strip()
    try:
        if "_" in value:
            raise ValueError
        number = float(value)
    except ValueError:
        raise ValueError(f"value: expected a number, got {value!r}") from None
    when: int | str = int(ts) if ts.isascii() and ts.isdigit() else ts
    return Point(
        subject=fields["subject"],
        metric=fields["metric"],
        value=number,
        ts=when,
        tenant=fields.get("tenant") or DEFAULT_TENANT,
        source=fields.get("source") or None,
    )


def _from_values(fields: dict[str, Any]) -> Point:
    for name in _REQUIRED:
        if fields[name] is None:
            raise ValueError(f"{name}: expected a value, got null")
    return Point(
        subject=fields["subject"],
        metric=fields["metric"],
        value=fields["value"],
        ts=fields["ts"],
        tenant=fields.get("tenant") or DEFAULT_TENANT,
        source=fields.get("source") or None,
    )


def _check_type(name: str, kind: Any, path: Path, pa: Any) -> None:
    """Refuses a column whose type holds no such field; one of nulls alone holds any, and its rows are judged each."""
    types = pa.types
    plain = kind.value_type if types.is_dictionary(kind) else kind
    is_text = types.is_string(plain) or types.is_large_string(plain) or types.is_string_view(plain)
    if name == "ts":
        fits = is_text or types.is_integer(kind) or (types.is_timestamp(kind) and kind.tz is not None)
        expected = "a timestamp with a zone, integer epoch milliseconds or RFC 3339 text"
    elif name == "value":
        fits, expected = types.is_integer(kind) or types.is_floating(kind), "numbers"
    else:
        fits, expected = is_text, "text"
    if not fits and not types.is_null(kind):
        raise BadFile(f"{path}:1: {name}: expected {expected}, got the type {kind}")


def _column(column: Any, pa: Any) -> list[Any]:
    """The column as plain values; timestamps as epoch ms, cut below the millisecond."""
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values
