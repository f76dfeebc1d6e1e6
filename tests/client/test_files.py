"""Points from files: what is read, what is refused with which line."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iskra.client import Point
from iskra.client.files import MAX_LINE_BYTES, BadFile, BadLine, Chunk, format_of, read_csv, read_ndjson, read_parquet

LINE = b'{"subject":"a","metric":"load","value":1.0,"ts":5}'
POINT = Point(subject="a", metric="load", value=1.0, ts=5)


class Pipe(io.BytesIO):
    """A stream that gives a few bytes at a time, as a slow pipe does."""

    def __init__(self, data: bytes, step: int) -> None:
        super().__init__(data)
        self._step = step

    def read1(self, size: int | None = -1) -> bytes:
        return super().read1(min(self._step, size or self._step))


def collect(chunks: Iterator[Chunk]) -> tuple[list[tuple[int, Point]], list[BadLine]]:
    points: list[tuple[int, Point]] = []
    bad: list[BadLine] = []
    for chunk in chunks:
        points += zip(chunk.lines, chunk.points, strict=True)
        bad += chunk.bad
    return points, bad


@given(st.lists(st.sampled_from([LINE, b"", b"{bad", LINE + b"\r", b"  "]), max_size=30), st.integers(1, 200), st.booleans())
def test_lines_have_their_numbers_however_they_are_cut(lines: list[bytes], step: int, final_newline: bool) -> None:
    """Whatever pieces a pipe gives, every line is read once, with its number; blank lines are no points."""
    points, bad = collect(read_ndjson(Pipe(b"\n".join(lines) + b"\n" * final_newline, step)))
    assert points == [(n, POINT) for n, line in enumerate(lines, 1) if line.startswith(LINE)]
    assert [n for n, _ in bad] == [n for n, line in enumerate(lines, 1) if line == b"{bad"]


def test_a_bad_line_says_what_was_expected() -> None:
    """Text that is no JSON, a field too few, a wrong type, bytes that are no UTF-8, and what is nested without end."""
    data = b"\n".join([b"{", b'{"subject":"a"}', LINE.replace(b"1.0", b'"x"'), b"\xff\xfe", b"NaN", b'{"x":' + b"[" * 5_000])
    _, bad = collect(read_ndjson(io.BytesIO(data)))
    assert [line for line, _ in bad] == [1, 2, 3, 4, 5, 6]
    assert "expected a JSON object" in bad[0].reason
    assert "missing required field `metric`" in bad[1].reason
    assert "Expected `float`, got `str` - at `$.value`" in bad[2].reason


@pytest.mark.parametrize("step", [1000, 262_144, MAX_LINE_BYTES * 3])
def test_an_endless_line_is_refused_and_not_kept(step: int) -> None:
    """A line over 1 MB costs only itself."""
    data = LINE + b"\n" + b"x" * (MAX_LINE_BYTES * 2) + b"\n" + LINE + b"\n"
    points, bad = collect(read_ndjson(Pipe(data, step)))
    assert [n for n, _ in points] == [1, 3]
    assert bad == [BadLine(2, f"expected a line of at most {MAX_LINE_BYTES} bytes")]


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    """Files from spreadsheets begin with one."""
    assert collect(read_ndjson(io.BytesIO(b"\xef\xbb\xbf" + LINE)))[0] == [(1, POINT)]


def test_csv_is_read_by_its_header() -> None:
    """Any order of fields; optional ones may be absent or empty; times are milliseconds or RFC 3339."""
    text = "ts,value,metric,subject,source\n5,1.0,load,a,\n\n2026-01-01T00:00:00Z,2,load,a,s1\n5,1_0,load,a,\n5,1.0,load\n5,NaN,load,a,\n"
    points, bad = collect(read_csv(Pipe(text.encode(), 7), "f.csv"))
    assert points[0] == (2, POINT)
    assert points[1] == (4, Point(subject="a", metric="load", value=2.0, ts="2026-01-01T00:00:00Z", source="s1"))
    assert [n for n, _ in points] == [2, 4, 7], "NaN is the producer's to refuse"
    assert bad == [BadLine(5, "value: expected a number, got '1_0'"), BadLine(6, "expected 5 fields, got 3")]


@pytest.mark.parametrize("step", [7, 262_144])
def test_a_stray_quote_in_csv_costs_its_own_line(step: int) -> None:
    """It opens no field that would hold the good lines behind it; quotes that fit are read, wherever a pipe cuts them."""
    good = "a,load,1.0,5\n" * 3000
    data = f'subject,metric,value,ts\n"a,load,1.0,5\n{good}a,load,"1.0",5\r\na,"lo""ad,1.0,5\n{good}'
    points, bad = collect(read_csv(Pipe(data.encode(), step), "f.csv"))
    assert [n for n, _ in points] == [*range(3, 3004), *range(3005, 6005)]
    assert {point.value for _, point in points} == {1.0}
    assert bad == [BadLine(2, "CSV: unexpected end of data"), BadLine(3004, "CSV: unexpected end of data")]


def test_an_endless_line_of_csv_is_refused_and_not_kept() -> None:
    """Also where what is kept of it would do for a point."""
    data = b"subject,metric,value,ts\na,load,1.0,5\na,load,1.0,5" + b" " * (MAX_LINE_BYTES * 2) + b"7\na,load,1.0,5\n"
    points, bad = collect(read_csv(io.BytesIO(data), "f.csv"))
    assert points == [(2, POINT), (4, POINT)]
    assert bad == [BadLine(3, f"expected a line of at most {MAX_LINE_BYTES} bytes")]


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("subject,metric,value", "f.csv:1: ts: expected this field"),
        ("subject,metric,value,ts,when", "f.csv:1: 'when': expected the fields subject, metric, value, ts, tenant, source"),
        ("subject,metric,value,ts,ts", "f.csv:1: 'ts': expected once"),
        ("", "f.csv:1: expected a header"),
    ],
)
def test_a_csv_header_that_does_not_fit_refuses_the_file(header: str, text: str) -> None:
    """Nothing of it is read, and the message says what the header must hold."""
    with pytest.raises(BadFile, match=text):
        collect(read_csv(io.BytesIO(header.encode()), "f.csv"))


def test_parquet_is_read_by_its_columns(tmp_path: Path) -> None:
    """Timestamps with a zone become milliseconds; a null in a field that is needed is refused with its row."""
    path = tmp_path / "p.parquet"
    table = pa.table(
        {
            "subject": ["a", None, "a"],
            "metric": ["load"] * 3,
            "value": [1.0, 1.0, 2.5],
            "ts": pa.array([5_900, 6_000, 7_000], pa.timestamp("us", tz="UTC")),
        }
    )
    pq.write_table(table, path)
    points, bad = collect(read_parquet(path))
    assert points == [(1, POINT), (3, Point(subject="a", metric="load", value=2.5, ts=7))]
    assert bad == [BadLine(2, "subject: expected a value, got null")]


def test_parquet_that_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    """A time without a zone, and what is no Parquet at all."""
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"subject": ["a"], "metric": ["m"], "value": [1.0], "ts": pa.array([5], pa.timestamp("ms"))}), path)
    with pytest.raises(BadFile, match="ts: expected a timestamp with a zone"):
        collect(read_parquet(path))
    path.write_bytes(b"no")
    with pytest.raises(BadFile, match=r"p\.parquet:1: expected a Parquet file"):
        collect(read_parquet(path))


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("subject", [["a"]], "subject: expected text, got the type list"),
        ("metric", [{"a": 1}], "metric: expected text, got the type struct"),
        ("source", [b"a"], "source: expected text, got the type binary"),
        ("value", ["1.0"], "value: expected numbers, got the type string"),
        ("value", [True], "value: expected numbers, got the type bool"),
        ("ts", [5.5], "ts: expected a timestamp with a zone, integer epoch milliseconds or RFC 3339 text, got the type double"),
    ],
)
def test_a_parquet_column_of_another_type_refuses_the_file(tmp_path: Path, column: str, values: list[object], expected: str) -> None:
    """Before a row is read; the message names the column and what it must hold."""
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"subject": ["a"], "metric": ["m"], "value": [1.0], "ts": [5]} | {column: values}), path)
    with pytest.raises(BadFile, match=rf"p\.parquet:1: {expected}"):
        collect(read_parquet(path))


def test_parquet_text_and_numbers_may_be_stored_in_several_ways(tmp_path: Path) -> None:
    """Categories, whole numbers, times as text; a column of nulls alone is a field left out, or refuses its rows."""
    path = tmp_path / "p.parquet"
    categories = pa.array(["load"]).dictionary_encode()
    pq.write_table(pa.table({"subject": ["a"], "metric": categories, "value": [1], "ts": ["5"], "source": pa.nulls(1)}), path)
    assert collect(read_parquet(path)) == ([(1, Point(subject="a", metric="load", value=1, ts="5"))], [])
    pq.write_table(pa.table({"subject": ["a"], "metric": ["load"], "value": pa.nulls(1), "ts": [5]}), path)
    assert collect(read_parquet(path)) == ([], [BadLine(1, "value: expected a value, got null")])


def test_a_parquet_page_that_is_broken_ends_the_file_with_its_row(tmp_path: Path) -> None:
    """What stands before it is given out; the message says from which row on nothing can be read."""
    path = tmp_path / "p.parquet"
    rows = 3 * 8192
    table = pa.table({"subject": ["a"] * rows, "metric": ["load"] * rows, "value": [1.0] * rows, "ts": [5] * rows})
    pq.write_table(table, path, row_group_size=8192, use_dictionary=False)
    place = pq.ParquetFile(path).metadata.row_group(1).column(2)
    with path.open("r+b") as file:
        file.seek(place.data_page_offset)
        file.write(b"\xff" * 50)
    chunks = read_parquet(path)
    assert len(next(chunks).points) == 8192
    with pytest.raises(BadFile, match=r"p\.parquet:8193: expected rows that can be read: "):
        collect(chunks)


def test_the_format_is_told_by_the_name() -> None:
    """Anything unknown is NDJSON."""
    assert [format_of(n) for n in ("a.CSV", "a.parquet", "a.jsonl", "a.txt", "-")] == ["csv", "parquet", "ndjson", "ndjson", "ndjson"]
