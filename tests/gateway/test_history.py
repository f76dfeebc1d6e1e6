"""History against the real ClickHouse engine, in tables that the sink's own migrations made."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
import httpx
import pytest

from gateway.paging import cursor_of
from gateway.queries import default_step
from iskra.settings import CLICKHOUSE_PASSWORD_ENV
from iskra.stack import children, ports
from sinks.clickhouse import migrations
from tests.conftest import Store
from tests.gateway.conftest import Running, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.store]
T = 1_762_435_200_000  # a whole minute


@pytest.fixture(scope="module")
def served(spawn_gateway: Callable[..., Running], space: str, store: Store) -> Running:
    return spawn_gateway(namespaces=[space], clickhouse=store.url, password=store.password, wait_for="clickhouse")


@pytest.fixture(scope="module")
def tables(store: Store, space: str, served: Running) -> Any:
    """A client whose database is that of `space`, with the sink's tables; until then the gateway saw none."""
    with served.client() as early:
        assert early.get("/api/v1/verdicts").json() == {"items": [], "next": None}
        assert early.get("/api/v1/series", params={"subject": "a", "metric": "clarity", "from": T, "to": T + 1000}).json()["points"] == []
    address = urlsplit(store.url)
    login: dict[str, Any] = {"host": address.hostname, "port": address.port, "username": store.user, "password": store.password}
    clickhouse_connect.get_client(**login).command(f"CREATE DATABASE {space}")
    client = clickhouse_connect.get_client(**login, database=space)
    for migration in migrations.load(live=False):
        for statement in migration.statements:
            client.command(statement)
    rows = [("default", "alpha", "clarity", i / 1000, f"toDateTime64({(T + i * 100) / 1000}, 3, 'UTC')", i) for i in range(900)]
    values = ",".join(f"('{t}','{s}','{m}',{v},{ts},'',0,{i},0,'2025-11-06')" for t, s, m, v, ts, i in rows)
    client.command(f"INSERT INTO points VALUES {values}")
    client.command(f"INSERT INTO points VALUES {values}")  # a block that came twice before its parts were merged
    for n in range(6):  # the windows of the first minute: other means than the points', so that one can tell them apart
        start = f"toDateTime64({T // 1000 + 10 * n}, 3, 'UTC')"
        client.command(
            "INSERT INTO windows (id, tenant, subject, metric, start, size_ms, count, mean, min, max, last, stddev, late, day) "
            f"VALUES ('w{n}','default','alpha','clarity',{start},10000,100,0.9,0.8,1.0,0.9,0.1,0,'2025-11-06')"
        )
    for n, (level, priority, reason) in enumerate([("UNKNOWN", "NULL", "'sparse'"), ("OK", "NULL", "NULL"), ("WARN", "'P2'", "NULL")]):
        previous = json.dumps({"level": "OK"}) if n else "null"
        client.command(
            "INSERT INTO status (id, tenant, subject, metric, level, priority, reason, previous, value, statistic, window_ms, since, "
            f"evidence, config, day) VALUES ('0-{n}-0-0-aa','default','alpha','clarity','{level}',{priority},{reason},'{previous}',"
            f"0.5,'mean',30000,toDateTime64({T // 1000 + n}, 3, 'UTC'),'{json.dumps({'count': n, 'rungs': []})}','c0ffee','2025-11-06')"
        )
    return client


@pytest.fixture
def client(served: Running, tables: Any) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


def series(client: httpx.Client, **query: Any) -> Any:
    answer = client.get("/api/v1/series", params={"subject": "alpha", "metric": "clarity", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def whole(client: httpx.Client, path: str, **query: Any) -> list[dict[str, Any]]:
    """A history, page by page."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = client.get(path, params={**query, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        page, cursor = answer.json()["items"], answer.json()["next"]
        assert 0 < len(page) <= query["limit"]
        items += page
        if cursor is None:
            return items


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/api/v1/series", {"from": "xyz", "to": "-1", "step": "1"}),
        ("/api/v1/alerts", {"state": "bogus"}),
        ("/api/v1/alerts/past", {"state": "bogus", "priority": "P9"}),
        ("/api/v1/actions", {"state": "bogus"}),
        ("/api/v1/actions/past", {"state": "bogus", "before": "x"}),
    ],
)
def test_an_error_names_the_parameter_as_it_was_sent(client: httpx.Client, path: str, asked: dict[str, str]) -> None:
    """What the code calls it is no business of the caller's."""
    good = {"subject": "alpha", "metric": "clarity"} if "series" in path else {}
    answer = client.get(path, params={**good, **asked})
    assert answer.status_code == 400
    told = answer.json()
    assert told["detail"].startswith(f"Validation failed for GET {path}")
    assert {each["key"]: each["source"] for each in told["extra"]} == dict.fromkeys(asked, "query")


def test_seconds_come_from_points_each_counted_once(client: httpx.Client) -> None:
    """Steps of a second: mean, least, greatest and count of the points, although their block stands there twice."""
    answer = series(client, **{"from": T, "to": T + 3000, "step": 1000})
    assert answer["step"] == 1000
    assert [(row[0], row[4]) for row in answer["points"]] == [(T, 10), (T + 1000, 10), (T + 2000, 10)]
    assert answer["points"][1] == pytest.approx([T + 1000, 0.0145, 0.010, 0.019, 10])


def test_longer_steps_come_from_windows_and_behind_them_from_points(client: httpx.Client) -> None:
    """Where final windows stand they answer; the time since the last of them is filled from points, without a gap."""
    answer = series(client, **{"from": T, "to": T + 90_000, "step": 30_000})
    assert [(row[0], row[4]) for row in answer["points"]] == [(T, 300), (T + 30_000, 300), (T + 60_000, 300)]
    assert answer["points"][0][1:4] == pytest.approx([0.9, 0.8, 1.0])
    assert answer["points"][2][1] == pytest.approx(sum(range(600, 900)) / 300 / 1000)


def test_the_step_is_chosen_for_about_nine_hundred() -> None:
    """Fifteen minutes in seconds, a day in whole minutes, a quarter of an hour to three in whole ten seconds."""
    assert default_step(T, T + 900_000) == 1000
    assert default_step(T, T + 3 * 3_600_000) == 20_000
    assert default_step(T, T + 86_400_000) == 120_000


def test_verdicts_come_newest_first_with_their_evidence(client: httpx.Client, space: str) -> None:
    """`previous` and `evidence` are JSON again; nulls are null; one can be asked for by its id."""
    items = client.get("/api/v1/verdicts", params={"tenant": "default", "subject": "alpha"}).json()["items"]
    assert [item["id"] for item in items] == ["0-2-0-0-aa", "0-1-0-0-aa", "0-0-0-0-aa"]
    assert items[0] == {
        "namespace": space, "id": "0-2-0-0-aa", "tenant": "default", "subject": "alpha", "metric": "clarity", "level": "WARN",
        "priority": "P2", "reason": None, "previous": {"level": "OK"}, "value": 0.5, "fast_value": None, "statistic": "mean",
        "window_ms": 30_000, "bound": None, "side": None, "since": T + 2000, "evidence": {"count": 2, "rungs": []}, "config": "c0ffee",
    }  # fmt: skip
    assert items[2]["previous"] is None
    assert whole(client, "/api/v1/verdicts", limit=1) == items
    assert whole(client, "/api/v1/verdicts", limit=2) == items
    assert client.get("/api/v1/verdicts/0-1-0-0-aa").json() == items[1]
    assert client.get("/api/v1/verdicts/0-7-0-0-aa").status_code == 404


@pytest.mark.parametrize("text", ["' OR 1=1 --", "{subject:String}", "a\\'b", "a\x00b", "ё'", "%", "DB.points"])
def test_what_is_asked_for_is_bound_and_never_part_of_the_query(client: httpx.Client, text: str) -> None:
    """Texts that would change a query if they were put into it find nothing."""
    assert series(client, subject=text, **{"from": T, "to": T + 1000})["points"] == []
    assert client.get("/api/v1/verdicts", params={"subject": text}).json() == {"items": [], "next": None}
    assert client.get("/api/v1/verdicts/x", params={"namespace": text}).status_code == 404


@pytest.mark.parametrize(
    "query",
    [
        {"from": T, "to": T},
        {"from": T + 1, "to": T},
        {"step": 1},
        {"from": 0, "to": T, "step": 1000},
        {"from": -1},
        {"to": "soon"},
        {"from": 10**30},
    ],
)
def test_impossible_ranges_are_400_and_say_so(client: httpx.Client, query: dict[str, Any]) -> None:
    """A range without length, too many steps, or no number: refused before anything is asked."""
    answer = client.get("/api/v1/series", params={"subject": "alpha", "metric": "clarity", **query})
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_a_store_that_comes_later_is_found(spawn_gateway: Callable[..., Running], space: str, tmp_path: Path) -> None:
    """ClickHouse away at the start: 503 that names it; once it is there, ready, without a restart; again away: 503 again."""
    port = ports.free_port()
    gateway = spawn_gateway(namespaces=[space], clickhouse=f"http://127.0.0.1:{port}", password="of-a-test")
    with gateway.client() as client:
        assert client.get("/readyz").json()["parts"]["clickhouse"]["up"] is False
        assert "clickhouse" in client.get("/api/v1/verdicts").json()["detail"]
        process = children.spawn(
            [sys.executable, "-m", "iskra", "store", "--data", str(tmp_path / "data"), "--port", str(port)],
            log=tmp_path / "log",
            env={**os.environ, CLICKHOUSE_PASSWORD_ENV: "of-a-test"},
        )
        try:
            eventually(lambda: client.get("/readyz").status_code == 200, "ready")
            assert client.get("/api/v1/verdicts").json() == {"items": [], "next": None}
        finally:
            process.kill()
            process.wait(10)
        eventually(lambda: client.get("/readyz").status_code == 503, "away again")
        assert client.get("/api/slo/status").status_code == 200


def test_the_past_of_alerts_and_actions_holds_the_last_state_of_each(served: Running, tables: Any, space: str) -> None:
    """Newest first, filtered and paged; what is nested comes as JSON, a state that stands in the log later wins."""
    when = "toDateTime64({}, 3, 'UTC')"
    for n, (named, state, last, priority) in enumerate(
        [("a-1", "firing", T, "P0"), ("a-1", "resolved", T + 1000, "P0"), ("a-2", "acknowledged", T + 2000, "P2")]
    ):
        tables.command(
            "INSERT INTO alerts (id, alert_id, tenant, subject, metric, kind, level, priority, state, since, first, last, `group`, chain, "
            f"step, flapping, evidence, config, ts, day) VALUES ('0-{n + 9}-0-0-aa','{named}','default','alpha','chaos','slo','BLOCK',"
            f"'{priority}','{state}',{when.format(T / 1000)},{when.format(T / 1000)},{when.format(last / 1000)},'g','{priority}',0,1,"
            f"'{{\"id\":\"x\"}}','c',{when.format(last / 1000)},'2025-11-06')"
        )
    for n, state in enumerate(["requested", "refused"]):
        tables.command(
            "INSERT INTO actions (id, action_id, tenant, subject, action, metric, level, state, strength, review, effect, evidence, "
            f"config, ts, day) VALUES ('0-{n + 9}-0-1-aa','x-1','default','alpha','stabilize_system','chaos','P0','{state}',5,"
            f"'{{\"by\":\"iskriv\"}}','null','{{}}','c',{when.format(T / 1000)},'2025-11-06')"
        )
    with served.client() as client:
        items = client.get("/api/v1/alerts/past", params={"subject": "alpha"}).json()["items"]
        assert [(each["alert_id"], each["state"], each["last"]) for each in items] == [
            ("a-2", "acknowledged", T + 2000),
            ("a-1", "resolved", T + 1000),
        ]
        assert (items[0]["namespace"], items[0]["evidence"], items[0]["flapping"], items[0]["by"]) == (space, {"id": "x"}, True, None)
        for query in ({"state": "resolved"}, {"priority": "P0"}, {"before": T + 2000}):
            answer = client.get("/api/v1/alerts/past", params=query)
            assert [each["alert_id"] for each in answer.json()["items"]] == ["a-1"], query
        (action,) = client.get("/api/v1/actions/past").json()["items"]
        assert (action["action_id"], action["state"], action["review"], action["until"]) == ("x-1", "refused", {"by": "iskriv"}, None)
        assert client.get("/api/v1/actions/past", params={"tenant": "nobody"}).json() == {"items": [], "next": None}


def test_a_history_is_paged_without_loss_where_times_are_equal(served: Running, tables: Any) -> None:
    """Alerts and actions of many subjects change in one millisecond; each stands on exactly one page."""
    when = f"toDateTime64({(T + 600_000) / 1000}, 3, 'UTC')"
    for n in range(7):
        tables.command(
            "INSERT INTO alerts (id, alert_id, tenant, subject, metric, kind, level, priority, state, since, first, last, `group`, chain, "
            f"step, flapping, evidence, config, ts, day) VALUES ('0-{n + 70}-0-0-aa','many-{n}','many','s{n}','chaos','slo','BLOCK',"
            f"'P0','firing',{when},{when},{when},'g','P0',0,1,'{{}}','c',{when},'2025-11-06')"
        )
        tables.command(
            "INSERT INTO actions (id, action_id, tenant, subject, action, metric, level, state, strength, review, effect, evidence, "
            f"config, ts, day) VALUES ('0-{n + 70}-0-1-aa','many-{n}','many','s{n}','stabilize_system','chaos','P0','requested',5,"
            f"'null','null','{{}}','c',{when},'2025-11-06')"
        )
        tables.command(
            "INSERT INTO status (id, tenant, subject, metric, level, priority, reason, previous, value, statistic, window_ms, since, "
            f"evidence, config, day) VALUES ('0-{n + 70}-0-2-aa','many','s{n}','clarity','OK',NULL,NULL,'null',0.5,'mean',30000,{when},"
            "'{}','c','2025-11-06')"
        )
    with served.client() as client:
        assert [each["subject"] for each in whole(client, "/api/v1/verdicts", tenant="many", limit=2)] == [
            f"s{n}" for n in reversed(range(7))
        ]
        for path, name in (("/api/v1/alerts/past", "alert_id"), ("/api/v1/actions/past", "action_id")):
            found = [each[name] for each in whole(client, path, tenant="many", limit=3)]
            assert found == [f"many-{n}" for n in reversed(range(7))]
        for path in ("/api/v1/alerts/past", "/api/v1/actions/past", "/api/v1/verdicts"):
            for bad in ("%%%", "bm8", cursor_of(["soon", "x"]), cursor_of(["²", "x"]), cursor_of([str(10**30), "x"]), cursor_of(["1"])):
                assert client.get(path, params={"cursor": bad}).status_code == 400
            hostile = client.get(path, params={"tenant": "many", "cursor": cursor_of([str(T), "' OR 1=1 --"])})
            assert hostile.json() == {"items": [], "next": None}
