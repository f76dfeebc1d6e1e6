"""Columns in ClickHouse's Native format, made from what decoding gives: lists of numbers and of texts.

The client's own writer takes a `datetime` for each time and looks at every value several times; at 300,000 points a
second this is most of the sink. A block is simple: counts, then each column's name, type and values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]

_LOW_CARDINALITY_VERSION = 1
_OWN_DICTIONARY = (1 << 9) | (1 << 10)


class Column(NamedTuple):
    """One column of a block: name, ClickHouse type, values as they stand in the format."""

    name: str
    type: str
    data: bytes


class Factor(NamedTuple):
    """A list of texts as codes into its different texts."""

    codes: Codes
    uniques: list[Any]


def factor(values: Sequence[Any]) -> Factor:
    """The different values in order of appearance, and for each value its place among them."""
    places: defaultdict[Any, int] = defaultdict()
    places.default_factory = places.__len__
    codes = np.fromiter(map(places.__getitem__, values), dtype=np.int32, count=len(values))
    return Factor(codes, list(places))


def block(rows: int, columns: Sequence[Column]) -> bytes:
    """The block of these columns, each of `rows` values."""
    parts = [varint(len(columns)), varint(rows)]
    for column in columns:
        parts += [_text(column.name), _text(column.type), column.data]
    return b"".join(parts)


def numbers(name: str, kind: str, values: Any) -> Column:
    """A column of numbers; `kind` is one of `_NUMPY`. Values that do not fit raise `OverflowError`."""
    return Column(name, kind, np.asarray(values, dtype=_NUMPY[kind]).tobytes())


def times(name: str, milliseconds: Any) -> Column:
    """A column DateTime64(3, 'UTC') from epoch milliseconds."""
    return Column(name, "DateTime64(3, 'UTC')", np.asarray(milliseconds, dtype="<i8").tobytes())


def days(name: str, milliseconds: Any) -> Column:
    """A column Date (1970–2149, cut to it) from epoch milliseconds."""
    day = np.clip(np.asarray(milliseconds, dtype="<i8") // 86_400_000, 0, 65_535)
    return Column(name, "Date", day.astype("<u2").tobytes())


def nullable_numbers(name: str, kind: str, values: Sequence[float | None]) -> Column:
    """A column of numbers that may be missing (None)."""
    nulls = bytes([value is None for value in values])
    filled = np.asarray([0 if value is None else value for value in values], dtype=_NUMPY[kind])
    return Column(name, f"Nullable({kind})", nulls + filled.tobytes())


def nullable_times(name: str, milliseconds: Sequence[int | None]) -> Column:
    """A column Nullable(DateTime64(3, 'UTC')) from epoch milliseconds that may be missing (None)."""
    nulls = bytes([value is None for value in milliseconds])
    filled = np.asarray([value or 0 for value in milliseconds], dtype="<i8")
    return Column(name, "Nullable(DateTime64(3, 'UTC'))", nulls + filled.tobytes())


def text_lists(name: str, lists: Sequence[Sequence[str]]) -> Column:
    """A column Array(String)."""
    flat = [_text(text) for texts in lists for text in texts]
    return Column(name, "Array(String)", _ends(lists) + b"".join(flat))


def number_maps(name: str, maps: Sequence[Mapping[str, float]]) -> Column:
    """A column Map(String, Float64)."""
    keys = [_text(key) for numbers in maps for key in numbers]
    values = np.asarray([value for numbers in maps for value in numbers.values()], dtype="<f8")
    return Column(name, "Map(String, Float64)", _ends(maps) + b"".join(keys) + values.tobytes())


def _ends(collections: Sequence[Collection[Any]]) -> bytes:
    """Where each collection ends in the flat list of all their items."""
    return np.cumsum([len(collection) for collection in collections], dtype="<u8").tobytes()


def texts(name: str, values: Sequence[str | bytes]) -> Column:
    """A column of texts, each written out."""
    return Column(name, "String", b"".join([_text(value) for value in values]))


def nullable_texts(name: str, values: Sequence[str | None]) -> Column:
    """A column of texts that may be missing (None)."""
    nulls = bytes([value is None for value in values])
    return Column(name, "Nullable(String)", nulls + b"".join([_text(value or "") for value in values]))


def few_texts(name: str, factored: Factor) -> Column:
    """A column LowCardinality(String): different texts once, then codes; ClickHouse casts it if the table's is String."""
    return Column(name, "LowCardinality(String)", _dictionary(factored.codes, [_text(text) for text in factored.uniques]))


def few_nullable_texts(name: str, values: Sequence[str | None]) -> Column:
    """A column LowCardinality(Nullable(String))."""
    codes, uniques = factor([None, *values])  # None is the first of the dictionary, as the format wants it
    return Column(name, "LowCardinality(Nullable(String))", _dictionary(codes[1:], [_text(text or "") for text in uniques]))


def _dictionary(codes: Codes, entries: list[bytes]) -> bytes:
    width = 0 if len(entries) <= 0xFF else 1 if len(entries) <= 0xFFFF else 2
    head = np.array([_LOW_CARDINALITY_VERSION, width | _OWN_DICTIONARY, len(entries)], dtype="<u8").tobytes()
    return b"".join([head, *entries, np.array([len(codes)], dtype="<u8").tobytes(), codes.astype(("u1", "<u2", "<u4")[width]).tobytes()])


def varint(value: int) -> bytes:
    """An unsigned integer, seven bits a byte, the lowest first."""
    if value < 0x80:
        return _BYTES[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(len(raw)) + raw


_BYTES = [bytes([value]) for value in range(128)]
_NUMPY = {"Float64": "<f8", "UInt8": "u1", "UInt16": "<u2", "UInt32": "<u4", "UInt64": "<u8", "Int32": "<i4", "Int64": "<i8"}
