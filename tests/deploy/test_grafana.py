"""The dashboards: every panel's query runs on the real engine, over rows whose answers are known."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import clickhouse_connect
import pytest
import yaml

from iskra import config_files
from sinks.clickhouse import migrations
from sinks.clickhouse.settings import Settings
from sinks.clickhouse.store import Store as SinkStore
from tests.conftest import Store
from tests.deploy.files import DEPLOY, services
from tests.deploy.grafana import DASHBOARDS, EVERY_PANEL, SLO, VOICES, with_macros, with_variables
from tests.deploy.living import fill

START = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
"""Yesterday: rows that are old are deleted."""
END = START + timedelta(minutes=10)
EVIDENCE = "{}"


class Queries:
    """Asks the engine what a panel asks, over START to END."""

    def __init__(self, client: Any, database: str) -> None:
        self.client = client
        self.database = database
        self.values = {"database": [database], "tenant": ["default", "o'neill"], "subject": ["alpha"]}

    def ask(self, sql: str, interval_s: int = 60) -> list[dict[str, Any]]:
        text = with_macros(with_variables(sql, self.values), START, END, interval_s)
        return list(self.client.query(text).named_results())

    def panel(self, title: str, dashboard: str = "slo-compliance") -> list[dict[str, Any]]:
        return self.ask(DASHBOARDS[dashboard].sql(title))


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _status(n: int, subject: str, metric: str, level: str, seconds: float, reason: str | None = None) -> list[Any]:
    priority = {"WARN": "P2", "BLOCK": "P0"}.get(level)
    when = _at(seconds)
    row = [f"0-{n}-0-0-00000000000000aa", "default", subject, metric, level, priority, reason, "null", 0.5, None, "mean", 30_000]
    return [*row, None, None, when, EVIDENCE, "hash", when.date()]


STATUS_COLUMNS = [
    "id",
    "tenant",
    "subject",
    "metric",
    "level",
    "priority",
    "reason",
    "previous",
    "value",
    "fast_value",
    "statistic",
    "window_ms",
    "bound",
    "side",
    "since",
    "evidence",
    "config",
    "day",
]


@pytest.fixture(scope="module")
def queries(store: Store) -> Iterator[Queries]:
    """A namespace's tables, made by the sink's migrations, with ten minutes of two subjects."""
    namespace = f"g{uuid.uuid4().hex[:8]}"
    settings = Settings(
        kafka="", clickhouse=store.url, user=store.user, password=store.password, namespace=namespace, live=True, instance="t"
    )
    tables = SinkStore(settings)
    assert migrations.apply(tables, settings.database, True, "t/1")
    tables.close()
    client = clickhouse_connect.get_client(dsn=store.url, username=store.user, password=store.password, database=settings.database)
    # alpha's clarity: UNKNOWN a minute before the time that is looked at and OK from its start; 5 min OK, 3 min WARN,
    # 2 min BLOCK. At the change to WARN two verdicts of one instant: the later record counts (n 9 and 10: as numbers).
    rows = [
        _status(7, "alpha", "clarity", "UNKNOWN", -60, "sparse"),
        _status(8, "alpha", "clarity", "OK", -10),
        _status(9, "alpha", "clarity", "BLOCK", 300),
        _status(10, "alpha", "clarity", "WARN", 300),
        _status(11, "alpha", "clarity", "BLOCK", 480),
        _status(12, "beta", "pain", "OK", 0),
        _status(13, "beta", "pain", "UNKNOWN", 540, "missing"),
        _status(14, "beta", "pain", "OK", 900),
    ]
    client.insert("status", rows, column_names=STATUS_COLUMNS)
    client.insert("status", rows[:2], column_names=STATUS_COLUMNS)  # delivered twice
    current = [[*row[:-1], n, 0] for n, row in enumerate(rows)]
    client.insert("current", current, column_names=[*STATUS_COLUMNS[:-1], "offset", "gone"])
    windows: list[list[Any]] = []
    for size, count in ((10_000, 100), (60_000, 600)):
        for n in range(600_000 // size):
            start = START + timedelta(milliseconds=n * size)
            for metric in ("clarity", "chaos", "trust", "pain"):
                row = [f"0-{n}-0-{size}-{metric}", "default", "alpha", metric, start, size, count, 0.8, 0.7, 0.9, 0.8, 0.01, 0.8, 0.9, 20]
                windows.append([*row, start.date()])
    columns = [
        "id",
        "tenant",
        "subject",
        "metric",
        "start",
        "size_ms",
        "count",
        "mean",
        "min",
        "max",
        "last",
        "stddev",
        "p50",
        "p95",
        "late",
        "day",
    ]
    client.insert("windows", windows, column_names=columns)
    dead = [
        [f"0-{n}-0-0-dead", reason, "x", None, None, None, "t", 0, n, 0, "", _at(30 * n), START.date()]
        for n, reason in enumerate(["too_old", "too_old", "bad_json"])
    ]
    columns = ["id", "reason", "detail", "tenant", "subject", "metric", "topic", "partition", "offset", "index", "bytes", "ts", "day"]
    client.insert("dead_letters", dead, column_names=columns)
    fill(client, START)
    yield Queries(client, settings.database)
    client.command(f"DROP DATABASE {settings.database}")
    client.close()


@pytest.mark.parametrize(("dashboard", "title"), EVERY_PANEL)
def test_every_panel_gives_rows(queries: Queries, dashboard: str, title: str) -> None:
    """Its query runs, and what a graph needs is there: for a series a time in order, then numbers and texts for names."""
    rows = queries.panel(title, dashboard)
    assert rows
    panel = DASHBOARDS[dashboard].panels[title]
    if panel["type"] == "timeseries":
        times = [row["time"] for row in rows]
        assert times == sorted(times)
        values = [value for row in rows for name, value in row.items() if name != "time"]
        assert all(isinstance(value, int | float | str) for value in values)
        assert panel["targets"][0]["format"] == 0
    else:
        assert panel["targets"][0]["format"] == 1


@pytest.mark.parametrize(("dashboard", "title"), EVERY_PANEL)
def test_every_panel_bears_an_empty_namespace(queries: Queries, dashboard: str, title: str) -> None:
    """Before the first verdict a panel is empty, not broken."""
    old = queries.values
    queries.values = old | {"tenant": ["nobody"]}
    try:
        rows = queries.panel(title, dashboard)
    finally:
        queries.values = old
    assert rows == [] or title == "Dead letters by reason"


def test_share_of_time_counts_each_status_until_the_next(queries: Queries) -> None:
    """Also the one that began before, and the last one up to the end; of one instant the later in the log counts."""
    shares = {row["metric"]: row for row in queries.panel("Share of time per level")}
    assert shares["clarity"] == pytest.approx({"metric": "clarity", "OK": 0.5, "WARN": 0.3, "BLOCK": 0.2, "UNKNOWN": 0.0}, abs=1e-9)
    assert shares["pain"] == pytest.approx({"metric": "pain", "OK": 0.9, "WARN": 0.0, "BLOCK": 0.0, "UNKNOWN": 0.1}, abs=1e-9)


def test_time_in_ok_leaves_out_what_is_unknown(queries: Queries) -> None:
    """(5 + 9) minutes OK of (10 + 9) known ones."""
    (row,) = queries.panel("Time in OK")
    assert row["time in OK"] == pytest.approx(14 / 19)


def test_levels_now_puts_those_in_need_first(queries: Queries) -> None:
    """One row a metric: the latest status."""
    rows = queries.panel("Levels now")
    assert [(row["subject"], row["metric"], row["level"], row["priority"]) for row in rows] == [
        ("alpha", "clarity", "BLOCK", "P0"),
        ("beta", "pain", "OK", ""),
    ]


def test_transitions_count_each_status_once(queries: Queries) -> None:
    """By the minute in which it began, within the time that is looked at; delivered twice is once."""
    rows = queries.panel("Transitions")
    found = {(int((row["time"].replace(tzinfo=UTC) - START).total_seconds()), row["level"]): row["transitions"] for row in rows}
    assert found == {(0, "OK"): 1, (300, "BLOCK"): 1, (300, "WARN"): 1, (480, "BLOCK"): 1, (540, "UNKNOWN"): 1}


def test_unknown_is_told_by_its_reason(queries: Queries) -> None:
    """Only what began in the time that is looked at."""
    assert [(row["reason"], row["began"]) for row in queries.panel("UNKNOWN by reason")] == [("missing", 1)]


def test_points_per_second_is_a_rate(queries: Queries) -> None:
    """Four metrics with 100 points and 20 late ones in 10 s are 48 a second, whatever the step."""
    for interval in (10, 60):
        rates = [row["points per second"] for row in queries.ask(SLO.sql("Points per second"), interval)]
        assert rates == pytest.approx([48.0] * (600 // interval))
    assert SLO.panels["Points per second"]["interval"] == "10s"


def test_dead_letters_are_counted_by_reason(queries: Queries) -> None:
    """Two in the first minute of one reason, one of another in the second."""
    rows = queries.panel("Dead letters by reason")
    assert sorted((row["reason"], row["refused"]) for row in rows) == [("bad_json", 1), ("too_old", 2)]


def test_variables_list_what_is_there(queries: Queries) -> None:
    """Namespaces, tenants and subjects to choose from."""
    for dashboard in DASHBOARDS.values():
        asked = {name: queries.ask(variable["query"]) for name, variable in dashboard.variables.items()}
        assert {"database": queries.database} in asked["database"]
        assert asked["tenant"] == [{"tenant": "default"}]
        assert asked["subject"] == [{"subject": "alpha"}, {"subject": "beta"}]


def test_queries_read_views_alone() -> None:
    """Tables may hold a row twice until their parts are merged; people read the views."""
    for dashboard, title in EVERY_PANEL:
        sql = DASHBOARDS[dashboard].sql(title)
        assert "${database}.v_" in sql
        assert sql.count("${database}.") == sql.count("${database}.v_")


def test_the_bands_are_those_of_the_configuration() -> None:
    """Each metric's panel is coloured as its ladder says: green within, WARN from P2 on, BLOCK from P1 on."""
    colours = {"OK": "#35c08f", "WARN": "#f2b84b", "BLOCK": "#f2555a"}
    for name, metric in config_files.load().metrics.items():
        expected: list[dict[str, Any]] = [{"color": colours["OK"] if metric.low.P2 is None else colours["BLOCK"], "value": None}]
        sides = [(metric.low.P1, "WARN"), (metric.low.P2, "OK"), (metric.high.P2, "WARN"), (metric.high.P1, "BLOCK")]
        expected += [{"color": colours[level], "value": bound} for bound, level in sides if bound is not None]
        assert SLO.panels[name]["fieldConfig"]["defaults"]["thresholds"]["steps"] == expected


def test_panels_stand_side_by_side() -> None:
    """None lies over another, and ids are their own."""
    for dashboard in DASHBOARDS.values():
        _stand_side_by_side(dashboard.body["panels"])


def _stand_side_by_side(panels: list[dict[str, Any]]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        grid = panel["gridPos"]
        cells = {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}
        assert not cells & taken, panel["title"]
        assert grid["x"] + grid["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)


def test_provisioning_names_what_the_dashboard_and_compose_have() -> None:
    """Data source, folder of dashboards and password's file are the same in all three places."""
    folder = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "clickhouse.yml").read_text())["datasources"]
    parts = [part for dashboard in DASHBOARDS.values() for part in (*dashboard.panels.values(), *dashboard.variables.values())]
    used = {part["datasource"]["uid"] for part in parts}
    assert used == {source["uid"]}
    grafana = services()["grafana"]
    assert source["type"] in grafana["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    secret = source["secureJsonData"]["password"].removeprefix("$__file{/run/secrets/").removesuffix("}")
    assert secret in grafana["secrets"]
    (provider,) = yaml.safe_load((folder / "dashboards" / "iskra.yml").read_text())["providers"]
    mounted = {mount.split(":")[1]: mount.split(":")[0] for mount in grafana["volumes"]}
    assert mounted[provider["options"]["path"]] == "./deploy/grafana/dashboards"
    assert grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].endswith("/slo-compliance.json")


def test_the_dashboards_lead_to_each_other() -> None:
    """Each by the other's address, keeping the time that is looked at."""
    for one, other in ((SLO, VOICES), (VOICES, SLO)):
        (link,) = [link for link in one.body["links"] if link["url"].startswith("/d/")]
        assert link["url"] == f"/d/{other.body['uid']}"
        assert link["keepTime"]
