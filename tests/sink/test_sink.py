"""From topics into tables, through the real broker and the real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from prometheus_client import CollectorRegistry

from schemas.topics import CURRENT, DEAD_LETTERS, HEADER_KIND, POINTS, STATUS, WINDOWS
from sinks.clickhouse.sink import Sink
from tests.sink.helpers import LETTER, WINDOW, Records, SinkProcess, settings, table
from tests.sink.helpers import STATUS as WARN
from tests.store.process import client, until

pytestmark = [pytest.mark.kafka, pytest.mark.store]


@pytest.fixture
def asking(store: Any) -> Any:
    return client(store, password=store.password)


def count(asking: Any, name: str) -> int:
    """Rows of a table; 0 while it is not there."""
    try:
        return int(asking.command(f"SELECT count() FROM {name}"))
    except DatabaseError as error:
        if "UNKNOWN" in str(error):
            return 0
        raise


def test_every_kind_of_record_lands_in_its_table(kafka: str, store: Any, namespace: str, asking: Any) -> None:
    """Points, windows, statuses, dead letters, with each field, and what is sent twice stands once in the views."""
    records = Records(kafka, namespace)
    records.points([{"value": 0.5}, {"value": 7}, {"metric": "other", "value": 7, "source": "s"}], "alpha")
    records.send(POINTS, b"", headers=[(HEADER_KIND, b"tick")])
    records.send(POINTS, b"\xff not json")
    for _ in range(2):
        records.output(WINDOWS, "0-1-0-0-a", WINDOW)
        records.output(STATUS, "0-4-0-0-a", WARN)
        records.output(CURRENT, "0-4-0-0-a", WARN, key=b"default/alpha/clarity")
        records.output(DEAD_LETTERS, "0-5-2-0-dead", LETTER)
    records.send(STATUS, b"{}")
    records.send(WINDOWS, b"nonsense")
    records.flush()
    registry = CollectorRegistry()
    sink = Sink(settings(store, kafka, namespace), registry)
    sink.start()
    try:
        until(lambda: count(asking, table(namespace, "points")) == 2, "points are stored")
        views = [table(namespace, f"v_{name}") for name in ("windows", "status", "current", "dead_letters")]
        until(lambda: all(count(asking, view) == 1 for view in views), "outputs are stored")
    finally:
        assert sink.stop(60)
    fields = "metric, value, toUnixTimestamp64Milli(ts), source, idx"
    points = asking.query(f"SELECT {fields} FROM {table(namespace, 'v_points')} ORDER BY idx").result_rows
    assert points == [("clarity", 0.5, 1_762_000_000_000, "", 0), ("other", 7.0, 1_762_000_000_000, "s", 2)]
    window = next(iter(asking.query(f"SELECT *, toUnixTimestamp64Milli(start) AS ms FROM {table(namespace, 'v_windows')}").named_results()))
    window["start"] = window.pop("ms")
    assert window.pop("id") == "0-1-0-0-a"
    assert window == msgspec.structs.asdict(WINDOW)
    status = next(iter(asking.query(f"SELECT *, toUnixTimestamp64Milli(since) AS ms FROM {table(namespace, 'v_status')}").named_results()))
    expected = msgspec.structs.asdict(WARN)
    assert status["id"] == "0-4-0-0-a"
    assert (status.pop("ms"), msgspec.json.decode(status["evidence"])) == (WARN.since, msgspec.to_builtins(WARN.evidence))
    assert msgspec.json.decode(status["previous"]) == msgspec.to_builtins(WARN.previous)
    assert {n: v for n, v in status.items() if n not in {"id", "since", "evidence", "previous"}} == {
        n: v for n, v in expected.items() if n not in {"since", "evidence", "previous"}
    }
    letter = next(iter(asking.query(f"SELECT * EXCEPT (id, ts) FROM {table(namespace, 'v_dead_letters')}").named_results()))
    assert letter == msgspec.structs.asdict(LETTER)
    assert registry.get_sample_value("iskra_sink_rows_total", {"table": "points"}) == 2
    assert registry.get_sample_value("iskra_sink_refused_total", {"lane": "points"}) == 2
    assert registry.get_sample_value("iskra_sink_refused_total", {"lane": "outputs"}) == 2


def test_current_is_the_latest_and_a_tombstone_ends_it(kafka: str, store: Any, namespace: str, asking: Any) -> None:
    """Of one metric the row that stands last on the topic counts; a subject that is forgotten disappears."""
    records = Records(kafka, namespace)
    for level in ("WARN", "BLOCK", "OK"):
        records.output(CURRENT, level, msgspec.structs.replace(WARN, level=level), key=b"default/alpha/clarity")
    records.output(CURRENT, "x", msgspec.structs.replace(WARN, subject="beta"), key=b"default/beta/clarity")
    records.flush()
    sink = Sink(settings(store, kafka, namespace), CollectorRegistry())
    sink.start()
    try:
        view = table(namespace, "v_current")
        until(lambda: count(asking, view) == 2, "statuses are stored")
        assert asking.query(f"SELECT level FROM {view} WHERE subject = 'alpha'").result_rows == [("OK",)]
        records.output(CURRENT, "x", None, key=b"default/beta/clarity")
        records.flush()
        until(lambda: count(asking, view) == 1, "the forgotten subject is gone")
    finally:
        assert sink.stop(60)


def test_a_stopped_sink_goes_on_where_it_was(kafka: str, store: Any, namespace: str, asking: Any, tmp_path: Path) -> None:
    """SIGTERM: what was read is stored, the exit code is 0; the next start stores the rest, each once, in the table itself."""
    records = Records(kafka, namespace)
    process = SinkProcess(store, kafka, namespace, tmp_path / "sink.log")
    for first in (0, 100):
        for number in range(first, first + 100):
            records.points([{"value": 0.1}, {"value": 0.2}], f"s{number}")
        records.flush()
        process.start()
        until(lambda first=first: count(asking, table(namespace, "points")) == (first + 100) * 2, "points are stored")  # type: ignore[misc]
        assert process.stop() == 0
    assert asking.query(f"SELECT count(), uniqExact(partition, offset, idx) FROM {table(namespace, 'points')}").result_rows == [(400, 400)]


def test_of_two_sinks_one_writes_and_the_other_takes_over(kafka: str, store: Any, namespace: str, asking: Any, tmp_path: Path) -> None:
    """Both run, the writer is killed: the other goes on after the lease; every row stands once in the table itself."""
    records = Records(kafka, namespace)
    first = SinkProcess(store, kafka, namespace, tmp_path / "a.log", "a").start()
    records.points([{}], "s0")
    records.flush()
    until(lambda: count(asking, table(namespace, "points")) == 1, "the first writes")
    second = SinkProcess(store, kafka, namespace, tmp_path / "b.log", "b").start()
    try:
        for number in range(1, 50):
            records.points([{}], f"s{number}")
        records.flush()
        until(lambda: count(asking, table(namespace, "points")) == 50, "rows are stored")
        holder = asking.command(f"SELECT sink FROM {table(namespace, 'sink_offsets')} FINAL WHERE lane = 'points' AND topic = ''")
        assert holder.startswith("a/")
        first.kill()
        for number in range(50, 100):
            records.points([{}], f"s{number}")
        records.flush()
        until(lambda: count(asking, table(namespace, "points")) == 100, "the second has taken over")
        assert second.stop() == 0
    finally:
        first.kill()
        second.kill()
    assert asking.query(f"SELECT count(), uniqExact(partition, offset, idx) FROM {table(namespace, 'points')}").result_rows == [(100, 100)]
