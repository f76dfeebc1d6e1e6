"""Columns written by hand, read back by the real engine."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from sinks.clickhouse import native
from tests.store.process import client

pytestmark = pytest.mark.store


def round_trip(store: Any, kind: str, column: native.Column, rows: int) -> list[Any]:
    """What the engine has in a table of one column of type `kind` after this block."""
    asking = client(store, password=store.password)
    name = f"default.n{uuid.uuid4().hex[:8]}"
    asking.command(f"CREATE TABLE {name} (c {kind}, n UInt64 DEFAULT rowNumberInAllBlocks()) ENGINE = Memory")
    asking.raw_insert(name, insert_block=native.block(rows, [column]), fmt="Native")
    found = [row[0] for row in asking.query(f"SELECT c FROM {name} ORDER BY n").result_rows]
    asking.command(f"DROP TABLE {name}")
    return found


@pytest.mark.parametrize("different", [1, 255, 256, 70_000])
def test_few_texts_of_any_number(store: Any, different: int) -> None:
    """A dictionary's codes are one, two or four bytes wide; the table's column may be low in cardinality or not."""
    values = [f"текст-{n}" for n in range(different)] * 2
    column = native.few_texts("c", native.factor(values))
    assert round_trip(store, "LowCardinality(String)", column, len(values)) == values
    assert round_trip(store, "String", column, len(values)) == values


def test_texts_of_any_length(store: Any) -> None:
    """Lengths of one and of several bytes, the empty text, bytes that are no UTF-8 excepted."""
    values = ["", "x" * 127, "x" * 128, "ы" * 20_000]
    assert round_trip(store, "String", native.texts("c", values), 4) == values


def test_what_may_be_missing(store: Any) -> None:
    """None stays None, and is not the empty text or zero."""
    assert round_trip(store, "Nullable(String)", native.nullable_texts("c", ["", None, "x"]), 3) == ["", None, "x"]
    kind = "LowCardinality(Nullable(String))"
    assert round_trip(store, kind, native.few_nullable_texts("c", ["", None, "x", None]), 4) == ["", None, "x", None]
    assert round_trip(store, kind, native.few_nullable_texts("c", [None]), 1) == [None]
    assert round_trip(store, "Nullable(Float64)", native.nullable_numbers("c", "Float64", [0.0, None, -1.5]), 3) == [0.0, None, -1.5]


def test_numbers_and_times(store: Any) -> None:
    """Values at their ends; times keep each millisecond, those beyond the calendar of the engine too."""
    assert round_trip(store, "UInt16", native.numbers("c", "UInt16", [0, 65_535]), 2) == [0, 65_535]
    assert round_trip(store, "Int64", native.numbers("c", "Int64", [-(2**63), 2**63 - 1]), 2) == [-(2**63), 2**63 - 1]
    asking = client(store, password=store.password)
    name = f"default.n{uuid.uuid4().hex[:8]}"
    asking.command(f"CREATE TABLE {name} (c DateTime64(3, 'UTC')) ENGINE = Memory")
    moments = [0, 1_762_000_000_123, 253_402_300_799_999]
    asking.raw_insert(name, insert_block=native.block(3, [native.times("c", moments)]), fmt="Native")
    assert [row[0] for row in asking.query(f"SELECT toUnixTimestamp64Milli(c) AS ms FROM {name} ORDER BY ms").result_rows] == moments
    asking.command(f"DROP TABLE {name}")


def test_days(store: Any) -> None:
    """The day of a time; those past what a Date can say are cut."""
    found = round_trip(store, "Date", native.days("c", [86_399_999, 86_400_000, 253_402_300_799_999]), 3)
    assert [day.isoformat() for day in found] == ["1970-01-01", "1970-01-02", "2149-06-06"]
