"""Compares what the engine alone says with what stands in ClickHouse: rows by id, and the number of points."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import msgspec
from clickhouse_connect.driver.exceptions import ClickHouseError

from iskra.verification.compare import Difference, Expected, Report
from iskra.verification.explain import place_of
from schemas.topics import ACTIONS, ALERTS, BUDGET, DEAD_LETTERS, ESCALATIONS, SIGNALS, STATUS, VOICES, WINDOWS

SINK_WAIT_S = 15.0
"""A sink that runs is at most about a second behind; one that was just restarted is back within 5 s."""
POLL_S = 0.25

STATELESS_REASONS = ("undecodable", "invalid", "bad_name", "bad_metric", "unknown_tenant", "out_of_range", "too_many_points")
"""Points refused for one of these stand in no table; those refused for their time or partition do."""

_TIMES = {"start", "since", "first", "last", "due", "until"}
"""Columns of times, which messages tell in ms (`last` of a window is a value)."""
_JSON = {"evidence", "cause", "terms", "dropped", "review", "effect"}
"""Columns of nested parts: the JSON of the message, byte for byte."""

_FIELDS = {
    WINDOWS: "subject metric start size_ms count mean min max last stddev p50 p95 late",
    STATUS: "subject metric level priority reason value fast_value bound side since evidence config",
    BUDGET: "subject metric objective window_ms bad_ms remaining burn bad alert previous threshold cause config",
    SIGNALS: "subject changed values cause config",
    VOICES: (
        "subject voice event priority rule terms against reason leading symbol mode active queued actions dropped by why evidence config"
    ),
    ALERTS: (
        "alert_id subject metric kind level priority state previous threshold side value statistic window_ms since first last group "
        "auto_actions voice_triggers chain step flapping resolution by why evidence config"
    ),
    ESCALATIONS: (
        "alert_id subject metric priority level kind step role who channel state reason due dedup_key summary value threshold config"
    ),
    ACTIONS: "action_id subject action metric level state previous strength review effect until by why evidence config",
    DEAD_LETTERS: "reason detail offset index bytes",
}
_VIEWS = {
    WINDOWS: "v_windows",
    STATUS: "v_status",
    BUDGET: "v_budgets",
    SIGNALS: "v_signals",
    VOICES: "v_voices",
    ALERTS: "v_alerts",
    ESCALATIONS: "v_escalations",
    ACTIONS: "v_actions",
    DEAD_LETTERS: "v_dead_letters",
}


def _is_time(topic: str, field: str) -> bool:
    return field in _TIMES and not (topic == WINDOWS and field == "last")


class StoreUnreachable(ConnectionError):
    """ClickHouse does not answer, or refuses; the text says why."""


class StoreReader:
    """Reads one namespace's database.

    Args:
        url: `http://HOST:PORT`. user, password: of the store. namespace: whose database.
    Raises:
        StoreUnreachable: no answer.
    """

    def __init__(self, url: str, user: str, password: str, namespace: str) -> None:
        self._database = re.sub(r"[^A-Za-z0-9_]", "_", namespace)
        try:
            self._client = clickhouse_connect.get_client(
                dsn=url, username=user, password=password, connect_timeout=5, send_receive_timeout=120
            )
        except ClickHouseError as error:
            raise StoreUnreachable(f"ClickHouse at {url}: {error}") from None

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def compare(self, partition: int, expected: Expected, report: Report) -> None:
        """Compares the rows of one partition; waits for a sink that is a little behind."""
        wanted: dict[str, dict[str, bytes]] = {topic: {} for topic in _VIEWS}
        for identity in expected.required:
            topic, value = expected.allowed[identity]
            wanted[topic][identity] = value
        for topic, messages in wanted.items():
            deadline = time.monotonic() + SINK_WAIT_S
            rows = dict(self._rows(topic, partition))
            while messages.keys() - rows.keys() and time.monotonic() < deadline:
                time.sleep(POLL_S)
                rows = dict(self._rows(topic, partition))
            self._compare_rows(topic, partition, messages, rows, expected, report)

    def points(self, partition: int, first: int, before: int) -> int:
        """Points in the view, of the offsets from `first` on and below `before`."""
        where = f"partition = {partition:d} AND offset >= {first:d} AND offset < {before:d}"
        return int(self._query(f"SELECT count() FROM {self._database}.v_points WHERE {where}")[0][0])  # noqa: S608 - made of integers and our own names

    def await_points(self, partition: int, first: int, before: int, number: int) -> int:
        """As `points`; waits for a sink that is a little behind `number`."""
        deadline = time.monotonic() + SINK_WAIT_S
        while (found := self.points(partition, first, before)) < number and time.monotonic() < deadline:
            time.sleep(POLL_S)
        return found

    def _rows(self, topic: str, partition: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
        columns = [f"toUnixTimestamp64Milli({field})" if _is_time(topic, field) else f"`{field}`" for field in _FIELDS[topic].split()]
        query = f"SELECT id, {', '.join(columns)} FROM {self._database}.{_VIEWS[topic]} WHERE startsWith(id, '{partition:d}-')"  # noqa: S608
        if topic == ESCALATIONS:
            query += " AND by = ''"  # the notifier's ledger is no output of the engine
        for row in self._query(query):
            yield row[0], tuple(row[1:])

    def _query(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return [tuple(row) for row in self._client.query(query).result_rows]
        except ClickHouseError as error:
            told = str(error).split("In scope")[0].strip()
            raise StoreUnreachable(f"ClickHouse database {self._database}: {told}; `iskra sink clickhouse` makes its tables") from None

    @staticmethod
    def _compare_rows(
        topic: str, partition: int, messages: dict[str, bytes], rows: dict[str, tuple[Any, ...]], expected: Expected, report: Report
    ) -> None:
        place = f"ClickHouse {_VIEWS[topic]}"
        if not expected.whole:
            rows = {identity: row for identity, row in rows.items() if identity in expected.allowed}
        report.rows += len(rows)
        for identity, value in messages.items():
            row = rows.get(identity)
            if row is None:
                report.tell(Difference("lost", place, partition, identity, value.decode("utf-8", "replace"), None))
            elif row != _row_of(topic, value):
                report.tell(Difference("differs", place, partition, identity, str(_row_of(topic, value)), str(row)))
        for identity in rows.keys() - messages.keys():
            # rows are read last: what came after the end of the log that was read is another run's question
            if identity not in expected.allowed and place_of(identity)[1] < expected.end and expected.sure(identity):
                report.tell(Difference("unexpected", place, partition, identity, None, str(rows[identity])))


def _row_of(topic: str, value: bytes) -> tuple[Any, ...]:
    """The row that a message must have become, in the order of `_FIELDS`."""
    parts = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    return tuple(bytes(parts[field]).decode() if field in _JSON else msgspec.json.decode(parts[field]) for field in _FIELDS[topic].split())
