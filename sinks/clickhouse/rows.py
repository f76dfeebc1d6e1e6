"""A record on its way into a table."""

from __future__ import annotations

from typing import Any

import msgspec

from sinks.clickhouse import native
from sinks.clickhouse.native import Column


class Row(msgspec.Struct, gc=False):
    """A decoded record: its id, time (ms), offset, and the message (None: a tombstone, `key` tells whose).

    `by` is who wrote it if no engine did, else empty.
    """

    id: str
    ts: int
    offset: int
    value: Any
    key: str
    by: str = ""


def of_each(rows: list[Row], field: str) -> list[Any]:
    """A field of every message."""
    return [getattr(row.value, field) for row in rows]


def few(rows: list[Row], *fields: str) -> list[Column]:
    """Columns of texts of which there are few different ones."""
    return [native.few_texts(field, native.factor(of_each(rows, field))) for field in fields]


def few_or_none(rows: list[Row], *fields: str) -> list[Column]:
    """Columns of few texts that may be missing."""
    return [native.few_nullable_texts(field, of_each(rows, field)) for field in fields]


def nested(rows: list[Row], *fields: str) -> list[Column]:
    """Columns of nested parts, as the JSON that they are."""
    return [native.texts(field, [bytes(raw) for raw in of_each(rows, field)]) for field in fields]
