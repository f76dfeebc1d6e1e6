"""Records of the output topics → blocks of `windows`, `status`, `current`, `dead_letters` and the tables of `living`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import msgspec
from confluent_kafka import Message

from schemas.headers import headers_of
from schemas.outputs import DeadLetter, WindowStats
from schemas.topics import CURRENT, DEAD_LETTERS, ESCALATIONS, HEADER_BY, HEADER_ID, STATUS, WINDOWS
from sinks.clickhouse import living, native
from sinks.clickhouse.native import Column
from sinks.clickhouse.rows import Row


class StatusRow(msgspec.Struct, gc=False):
    """A status as far as columns are made of it; the nested parts stay the JSON that they are."""

    tenant: str
    subject: str
    metric: str
    level: str
    statistic: str
    window_ms: int
    since: int
    evidence: msgspec.Raw
    config: str
    priority: str | None = None
    reason: str | None = None
    previous: msgspec.Raw = msgspec.Raw(b"null")
    value: float | None = None
    fast_value: float | None = None
    bound: float | None = None
    side: str | None = None


class OutputsBuilder:
    """Collects outputs of one round.

    Attributes:
        rows: collected so far. refused: records that could not be read, since the start.
    """

    def __init__(self) -> None:
        self._rows: dict[str, list[Row]] = {short: [] for short in _TABLES}
        self.rows = 0
        self.refused = 0

    def add(self, short: str, message: Message) -> None:
        """One record of the topic with this short name; what cannot be read adds nothing."""
        value, key = message.value(), message.key() or b""
        decoder, _, _ = _TABLES[short]
        try:
            headers = headers_of(message)
            identity = headers.get(HEADER_ID, b"").decode()
            decoded = decoder.decode(value) if value is not None else None
            row = Row(identity, message.timestamp()[1], cast(int, message.offset()), decoded, key.decode())
            if short == ESCALATIONS:
                row.by = headers.get(HEADER_BY, b"").decode()
        except (ValueError, RecursionError):  # msgspec's errors are of the first kind
            self.refused += 1
            return
        if decoded is None and (short != CURRENT or row.key.count("/") != 2):
            self.refused += value is not None
            return
        self._rows[short].append(row)
        self.rows += 1

    def take(self) -> dict[str, tuple[int, bytes]]:
        """Rows and block by table, and begins anew."""
        blocks = {}
        for short, (_, table, columns) in _TABLES.items():
            rows = self._rows[short]
            if not rows:
                continue
            self._rows[short] = []
            try:
                made = columns(rows)
            except _UNFIT:  # a foreign record has numbers for which no column is wide enough: it costs itself alone
                fitting = [row for row in rows if _fits(columns, row)]
                self.refused += len(rows) - len(fitting)
                rows, made = fitting, columns(fitting)
            if rows:
                blocks[table] = (len(rows), native.block(len(rows), made))
        self.rows = 0
        return blocks


def _window_columns(rows: list[Row]) -> list[Column]:
    windows: list[WindowStats] = [row.value for row in rows]
    return [
        native.texts("id", [row.id for row in rows]),
        *_names(windows),
        native.times("start", [window.start for window in windows]),
        native.numbers("size_ms", "UInt32", [window.size_ms for window in windows]),
        native.numbers("count", "UInt64", [window.count for window in windows]),
        native.numbers("mean", "Float64", [window.mean for window in windows]),
        native.numbers("min", "Float64", [window.min for window in windows]),
        native.numbers("max", "Float64", [window.max for window in windows]),
        native.numbers("last", "Float64", [window.last for window in windows]),
        native.numbers("stddev", "Float64", [window.stddev for window in windows]),
        native.nullable_numbers("p50", "Float64", [window.p50 for window in windows]),
        native.nullable_numbers("p95", "Float64", [window.p95 for window in windows]),
        native.numbers("late", "UInt64", [window.late for window in windows]),
        native.days("day", [window.start + window.size_ms for window in windows]),
    ]


def _status_columns(rows: list[Row]) -> list[Column]:
    return [*_status(rows), native.days("day", [row.value.since for row in rows])]


def _current_columns(rows: list[Row]) -> list[Column]:
    rows = [row if row.value is not None else msgspec.structs.replace(row, value=_tombstone(row.key)) for row in rows]
    return [
        *_status(rows),
        native.numbers("offset", "UInt64", [row.offset for row in rows]),
        native.numbers("gone", "UInt8", [int(row.value.level == "") for row in rows]),
    ]


def _tombstone(key: str) -> StatusRow:
    tenant, subject, metric = key.split("/")
    return StatusRow(tenant, subject, metric, level="", statistic="", window_ms=0, since=0, evidence=msgspec.Raw(b""), config="")


def _status(rows: list[Row]) -> list[Column]:
    statuses: list[StatusRow] = [row.value for row in rows]
    return [
        native.texts("id", [row.id for row in rows]),
        *_names(statuses),
        native.few_texts("level", native.factor([status.level for status in statuses])),
        native.few_nullable_texts("priority", [status.priority for status in statuses]),
        native.few_nullable_texts("reason", [status.reason for status in statuses]),
        native.texts("previous", [bytes(status.previous) for status in statuses]),
        native.nullable_numbers("value", "Float64", [status.value for status in statuses]),
        native.nullable_numbers("fast_value", "Float64", [status.fast_value for status in statuses]),
        native.few_texts("statistic", native.factor([status.statistic for status in statuses])),
        native.numbers("window_ms", "UInt32", [status.window_ms for status in statuses]),
        native.nullable_numbers("bound", "Float64", [status.bound for status in statuses]),
        native.few_nullable_texts("side", [status.side for status in statuses]),
        native.times("since", [status.since for status in statuses]),
        native.texts("evidence", [bytes(status.evidence) for status in statuses]),
        native.few_texts("config", native.factor([status.config for status in statuses])),
    ]


def _dead_letter_columns(rows: list[Row]) -> list[Column]:
    letters: list[DeadLetter] = [row.value for row in rows]
    return [
        native.texts("id", [row.id for row in rows]),
        native.few_texts("reason", native.factor([letter.reason for letter in letters])),
        native.texts("detail", [letter.detail for letter in letters]),
        native.nullable_texts("tenant", [letter.tenant for letter in letters]),
        native.nullable_texts("subject", [letter.subject for letter in letters]),
        native.nullable_texts("metric", [letter.metric for letter in letters]),
        native.few_texts("topic", native.factor([letter.topic for letter in letters])),
        native.numbers("partition", "Int32", [letter.partition for letter in letters]),
        native.numbers("offset", "Int64", [letter.offset for letter in letters]),
        native.numbers("index", "UInt32", [letter.index for letter in letters]),
        native.texts("bytes", [letter.bytes for letter in letters]),
        native.times("ts", [row.ts for row in rows]),
        native.days("day", [row.ts for row in rows]),
    ]


def _fits(columns: Callable[[list[Row]], list[Column]], row: Row) -> bool:
    try:
        columns([row])
    except _UNFIT:
        return False
    return True


def _names(messages: list[Any]) -> list[Column]:
    return [
        native.few_texts("tenant", native.factor([message.tenant for message in messages])),
        native.few_texts("subject", native.factor([message.subject for message in messages])),
        native.few_texts("metric", native.factor([message.metric for message in messages])),
    ]


_UNFIT = (OverflowError, ValueError, TypeError)
_STATUS_DECODER = msgspec.json.Decoder(StatusRow)
_TABLES: dict[str, tuple[msgspec.json.Decoder[Any], str, Callable[[list[Row]], list[Column]]]] = {
    WINDOWS: (msgspec.json.Decoder(WindowStats), "windows", _window_columns),
    STATUS: (_STATUS_DECODER, "status", _status_columns),
    CURRENT: (_STATUS_DECODER, "current", _current_columns),
    DEAD_LETTERS: (msgspec.json.Decoder(DeadLetter), "dead_letters", _dead_letter_columns),
    **living.TABLES,
}
"""Of each topic: how a record is read, the table, and its columns."""
