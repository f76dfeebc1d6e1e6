"""The server's settings for ClickHouse: well-formed, and the users are those whom the processes and Grafana name."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import yaml

from iskra.settings import CLICKHOUSE_USER
from tests.deploy.files import DEPLOY, services


def _root(name: str) -> ET.Element:
    return ET.fromstring((DEPLOY / "clickhouse" / name).read_text())  # noqa: S314 - a file of ours


def test_users_are_the_two_that_are_used() -> None:
    """`iskra` for the processes, `reader` for Grafana, nobody without a password; passwords from the environment alone."""
    users = _root("users.xml").find("users")
    assert users is not None
    assert {user.tag for user in users if user.get("remove") != "1"} == {CLICKHOUSE_USER, "reader"}
    assert users.find("default[@remove='1']") is not None
    script = services()["clickhouse"]["command"][0]
    for user in (CLICKHOUSE_USER, "reader"):
        password = users.find(f"{user}/password")
        assert password is not None
        assert password.text is None
        assert f"{password.get('from_env')}=" in script


def test_the_reader_can_only_read() -> None:
    """Its profile refuses writes and its grants are for tables alone, so that file() and url() are closed to it."""
    root = _root("users.xml")
    assert root.findtext("profiles/reader/readonly") == "2"
    assert root.findtext("users/reader/profile") == "reader"
    assert [query.text for query in root.findall("users/reader/grants/query")] == ["GRANT SELECT ON *.*"]
    source = yaml.safe_load((DEPLOY / "grafana" / "provisioning" / "datasources" / "clickhouse.yml").read_text())
    assert source["datasources"][0]["jsonData"]["username"] == "reader"


def test_memory_fits_into_the_container() -> None:
    """A query's limit is below the container's, of which the server takes 80 %."""
    assert services()["clickhouse"]["deploy"]["resources"]["limits"]["memory"] == "2G"
    assert float(_root("server.xml").findtext("max_server_memory_usage_to_ram_ratio") or 0) == 0.8
    for profile in ("iskra", "reader"):
        limit = int(_root("users.xml").findtext(f"profiles/{profile}/max_memory_usage") or 0)
        assert 0 < limit < 0.8 * 2 * 1024**3


def test_ports_are_those_that_others_use() -> None:
    """HTTP on 8123, where ISKRA_CLICKHOUSE and Grafana look."""
    port = _root("server.xml").findtext("http_port")
    assert port == "8123"
    assert re.search(rf":{port}$", services()["sink"]["environment"]["ISKRA_CLICKHOUSE"])
