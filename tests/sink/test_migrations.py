"""The schema: each file once, under a lock, live and virtual namespaces."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sinks.clickhouse import ledger, migrations
from sinks.clickhouse.errors import Lost
from sinks.clickhouse.store import Store
from tests.sink.helpers import settings
from tests.store.process import client

pytestmark = pytest.mark.store
LIVING = {"budgets", "signals", "voices", "alerts", "escalations", "actions"}
TABLES = {"points", "windows", "status", "current", "dead_letters", "sink_offsets", "migrations"} | LIVING
VIEWS = {"v_points", "v_windows", "v_status", "v_current", "v_dead_letters"} | {f"v_{name}" for name in LIVING}
VIEWS |= {"v_budgets_now", "v_voices_now", "v_alerts_now", "v_actions_now", "v_notifications"}


@pytest.fixture
def name(store: Any) -> Iterator[str]:
    """A database of the test's own."""
    database = f"m{uuid.uuid4().hex[:8]}"
    yield database
    client(store, password=store.password).command(f"DROP DATABASE IF EXISTS {database}")


def connect(store: Any, name: str) -> Store:
    return Store(settings(store, "", name))


@pytest.mark.parametrize("live", [True, False])
def test_the_schema_is_made_once_and_again_is_nothing(store: Any, name: str, live: bool) -> None:
    """All tables and views are there; a second run changes nothing; rows are deleted by age in the live namespace only."""
    for _ in range(2):
        assert migrations.apply(connect(store, name), name, live, "a/1")
    asking = client(store, password=store.password)
    assert {row[0] for row in asking.query(f"SHOW TABLES FROM {name}").result_rows} == TABLES | VIEWS
    assert asking.query(f"SELECT number, count() FROM {name}.migrations GROUP BY number ORDER BY number").result_rows == [
        (1, 1),
        (2, 1),
        (3, 1),
    ]
    for table in {"points", "windows", "status", "dead_letters"} | LIVING:
        assert ("TTL" in asking.command(f"SHOW CREATE TABLE {name}.{table}")) is live
    for view in VIEWS:
        assert asking.command(f"SELECT count() FROM {name}.{view}") == 0


def test_a_half_applied_file_is_finished(store: Any, name: str) -> None:
    """Statements may be run twice: a crash between the tables and the note of it is mended by the next start."""
    migrations.apply(connect(store, name), name, False, "a/1")
    asking = client(store, password=store.password)
    asking.command(f"TRUNCATE TABLE {name}.migrations")
    asking.command(f"DROP TABLE {name}.status")
    assert migrations.apply(connect(store, name), name, False, "a/2")
    assert {row[0] for row in asking.query(f"SHOW TABLES FROM {name}").result_rows} == TABLES | VIEWS


def test_many_at_once_apply_each_file_once(store: Any, name: str) -> None:
    """Sinks that start together share a lock in the database."""
    connect(store, name).command(f"CREATE DATABASE {name}")

    def migrate(number: int) -> None:
        while True:
            try:
                if migrations.apply(connect(store, name), name, False, f"sink-{number}/1"):
                    return
            except Lost:
                continue

    threads = [threading.Thread(target=migrate, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    asking = client(store, password=store.password)
    assert asking.query(f"SELECT number, count() FROM {name}.migrations GROUP BY number ORDER BY number").result_rows == [
        (1, 1),
        (2, 1),
        (3, 1),
    ]


def test_files_are_numbered_without_gaps(tmp_path: Path) -> None:
    """A missing number or a file without one is refused."""
    (tmp_path / "0002_x.sql").write_text("SELECT 1;\n")
    with pytest.raises(ValueError, match="without a gap"):
        migrations.load(True, tmp_path)
    (tmp_path / "x.sql").write_text("SELECT 1;\n")
    with pytest.raises(ValueError, match="NNNN_name"):
        migrations.load(True, tmp_path)


def test_lines_for_live_namespaces_are_left_out_elsewhere() -> None:
    """The mark is part of the line; comments are no statements."""
    text = "-- why\nCREATE a\nTTL b -- live only\nORDER BY c;\n\nCREATE d;\n"
    assert migrations.statements(text, live=True) == ["CREATE a\nTTL b\nORDER BY c", "CREATE d"]
    assert migrations.statements(text, live=False) == ["CREATE a\nORDER BY c", "CREATE d"]


PLACE = ledger.Place("x.metrics.points", 0)


def books(store: Any, name: str, me: str, lease: float = 60.0) -> ledger.Ledger:
    return ledger.Ledger(connect(store, name), name, "points", me, lease)


def test_of_two_that_write_the_same_round_one_does(store: Any, name: str) -> None:
    """A round is a compare-and-swap: the other is told that it lost, and its ranges are not recorded."""
    migrations.apply(connect(store, name), name, False, "a/1")
    first, second = books(store, name, "a/1"), books(store, name, "b/1", lease=0.0)
    assert first.claim() == ledger.NOTHING
    first.begin({PLACE: ledger.Range(0, 9)})
    state = second.claim()
    assert state is not None
    assert (state.pending, state.positions) == ({PLACE: ledger.Range(0, 9)}, {PLACE: 10})
    assert first.token("points") == second.token("points"), "the same rows go under the same token, whoever inserts them"
    with pytest.raises(Lost):
        first.begin({PLACE: ledger.Range(10, 19)})
    second.begin({PLACE: ledger.Range(10, 29)})
    assert second.state().positions == {PLACE: 30}
    assert first.token("points") != second.token("points")


def test_a_lane_is_held_for_its_lease(store: Any, name: str) -> None:
    """Another waits while signs come; the same name goes on at once; a released lane is free at once."""
    migrations.apply(connect(store, name), name, False, "a/1")
    first = books(store, name, "a/1")
    first.claim()
    assert books(store, name, "b/1").claim() is None
    again = books(store, name, "a/2")
    assert again.claim() is not None
    with pytest.raises(Lost):
        first.begin({})
    assert first.claim() is None, "whoever lost to its namesake waits for the lease like any other"
    again.release()
    assert books(store, name, "b/1").claim() is not None
