"""Pages, health and the state endpoints."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.gateway.conftest import Running, Worker, eventually

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built page, and a secret beside it."""
    top = tmp_path_factory.mktemp("pages")
    (top / "secret.txt").write_text("secret")
    folder = top / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Pulse</title>" + " " * 2000)
    (folder / "assets" / "index-Ab3_xY9z.js").write_text("console.log(1)")
    (folder / "assets" / "theme.js").write_text("console.log(2)")
    (folder / "assets" / "font-Ab3_xY9z.woff2").write_bytes(b"wOF2")
    (folder / "assets" / "link.txt").symlink_to(top / "secret.txt")
    return folder


@pytest.fixture(scope="module")
def served(spawn_gateway: Callable[..., Running], space: str, web: Path) -> Running:
    return spawn_gateway(namespaces=[space], web=str(web))


@pytest.fixture
def client(served: Running) -> Iterator[httpx.Client]:
    with served.client() as client:
        yield client


def test_the_root_leads_to_pulse(client: httpx.Client) -> None:
    """`/` answers with the way to the page, which is never cached unasked and may load nothing from elsewhere."""
    answer = client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/pulse")
    page = client.get("/pulse")
    assert page.text.startswith("<!doctype html><title>Pulse</title>")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["content-encoding"] == "gzip"
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"


def test_hashed_assets_are_kept_for_ever_and_others_asked_for(client: httpx.Client) -> None:
    """A name with a hash is immutable; any other is asked for again and answered 304 while it is the same."""
    hashed = client.get("/assets/index-Ab3_xY9z.js")
    assert hashed.headers["content-type"].startswith("text/javascript")
    assert "immutable" in hashed.headers["cache-control"]
    assert client.get("/assets/font-Ab3_xY9z.woff2").headers["content-type"] == "font/woff2"
    plain = client.get("/assets/theme.js")
    assert plain.headers["cache-control"] == "no-cache"
    assert client.get("/assets/theme.js", headers={"If-None-Match": plain.headers["etag"]}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "//etc/passwd",
        "/assets/%00",
        "/assets/link.txt",
        "/assets/",
        "/assets",
        "/..\\secret.txt",
        "/assets/%c0%ae%c0%ae/secret.txt",
        "/" + "a" * 5000,
        "/.git/config",
    ],
)
def test_no_path_leads_out_of_the_folder(served: Running, path: str) -> None:
    """Whatever is no built file is not there, however it is spelt."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    connection.putrequest("GET", path, skip_host=False)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status in (400, 404)
    assert b"secret" not in body.replace(b"secret.txt", b"")


def test_without_a_build_the_page_says_how_to_make_one(spawn_gateway: Callable[..., Running], space: str, tmp_path: Path) -> None:
    """No built page: a plain one names the command; it appears without a restart once it is built."""
    folder = tmp_path / "dist"
    with spawn_gateway(namespaces=[space], web=str(folder)).client() as client:
        answer = client.get("/pulse")
        assert answer.status_code == 503
        assert "npm run build" in answer.text
        folder.mkdir()
        (folder / "index.html").write_text("built")
        eventually(lambda: client.get("/pulse").text == "built", "the built page")


def test_health_tells_which_part_is_away(client: httpx.Client) -> None:
    """The process is alive and says 503, ClickHouse away, Kafka up, on the machine's and on the people's page."""
    assert client.get("/healthz").status_code == 200
    ready = client.get("/readyz")
    assert ready.status_code == 503
    assert {name: part["up"] for name, part in ready.json()["parts"].items()} == {"kafka": True, "clickhouse": False}
    status = client.get("/status").text
    assert "clickhouse" in status
    assert "away" in status
    for path in ("/api/v1/series?subject=a&metric=clarity", "/api/v1/verdicts", "/api/v1/verdicts/0-9-0-0-aa"):
        answer = client.get(path)
        assert (answer.status_code, "clickhouse" in answer.json()["detail"], "retry-after" in answer.headers) == (503, True, True)


def test_metrics_count_requests_by_route_and_status(client: httpx.Client, served: Running) -> None:
    """Routes are told as they are written, not as they were asked for, so that nobody can make new ones."""
    client.get("/assets/nothing-1")
    client.get("/api/v1/verdicts/zzz")
    text = client.get("/metrics").text
    assert 'route="/api/v1/verdicts/{identity}' in text
    assert "nothing-1" not in text
    assert "zzz" not in text
    assert served.metric("process_resident_memory_bytes") < 512e6


def test_a_verdict_is_explained_by_whoever_holds_the_engine(gateway: Running, client: httpx.Client) -> None:
    """The injected engine's answer is handed on; an unknown id is 404, and a gateway without it says 501."""
    with gateway.client() as explaining:
        assert explaining.get("/api/v1/verdicts/0-1-0-0-aa/explain").json() == {"match": True, "difference": None}
        assert explaining.get("/api/v1/verdicts/0-2-0-0-aa/explain").json()["match"] is False
        assert explaining.get("/api/v1/verdicts/0-3-0-0-aa/explain").status_code == 404
    assert client.get("/api/v1/verdicts/0-1-0-0-aa/explain").status_code == 501


def test_present_state_is_paged_and_filtered(client: httpx.Client, worker: Worker, space: str) -> None:
    """Statuses come in order of tenant, subject and metric; pages join without a gap; filters and totals agree."""
    for i in range(25):
        worker.status(f"p{i:02}", level="BLOCK" if i % 5 == 0 else "OK", priority="P1" if i % 5 == 0 else None, tenant="paged")
    query: dict[str, Any] = {"tenant": "paged", "limit": 10}
    eventually(lambda: client.get("/api/slo/status", params=query).json()["total"] == 25, "25 statuses")
    subjects: list[str] = []
    cursor: str | None = None
    while True:
        page = client.get("/api/slo/status", params={**query, **({"cursor": cursor} if cursor else {})}).json()
        subjects += [item["subject"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert subjects == [f"p{i:02}" for i in range(25)]
    blocked = client.get("/api/slo/status", params={**query, "level": "BLOCK"}).json()
    assert [item["subject"] for item in blocked["items"]] == ["p00", "p05", "p10", "p15", "p20"]
    one = client.get("/api/slo/status", params={"tenant": "paged", "subject": "p05"}).json()["items"][0]
    assert one["evidence"]["rungs"][0]["bound"] == 0.7
    assert client.get(f"/api/v1/verdicts/{one['id']}").json() == one
    assert client.get("/api/slo/status", params={"subject": "p05"}).json()["total"] == 1
    for bad in ({"limit": 0}, {"limit": 10_000}, {"level": "SOSO"}, {"cursor": "%%%"}, {"cursor": "bm8"}):
        assert client.get("/api/slo/status", params=bad).status_code == 400
    assert client.get("/api/slo/status", params={"namespace": "elsewhere"}).status_code == 404
    assert json.loads(client.get("/api/slo/status", params={"namespace": space, "tenant": "' OR 1=1"}).text)["total"] == 0
