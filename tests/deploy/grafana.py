"""What Grafana and its ClickHouse plugin make of a panel's SQL before it is sent: variables first, then macros."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.deploy.files import DEPLOY

FOLDER = DEPLOY / "grafana" / "dashboards"


class Dashboard:
    """A dashboard's file: its panels by title, its variables by name."""

    def __init__(self, name: str) -> None:
        self.body: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        self.panels: dict[str, dict[str, Any]] = {panel["title"]: panel for panel in self.body["panels"] if panel["type"] != "row"}
        self.variables: dict[str, dict[str, Any]] = {variable["name"]: variable for variable in self.body["templating"]["list"]}

    def sql(self, title: str) -> str:
        """The query of a panel."""
        (target,) = self.panels[title]["targets"]
        text: str = target["rawSql"]
        return text


DASHBOARDS = {name: Dashboard(name) for name in ("slo-compliance", "voice-health")}
SLO = DASHBOARDS["slo-compliance"]
VOICES = DASHBOARDS["voice-health"]
EVERY_PANEL = [(name, title) for name, dashboard in DASHBOARDS.items() for title in sorted(dashboard.panels)]

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def with_variables(sql: str, values: dict[str, list[str]]) -> str:
    """Variables in their formats: bare, or `sqlstring` (quoted, several separated by commas).

    Raises:
        KeyError: a variable that the dashboard has not. ValueError: another format.
    """

    def one(match: re.Match[str]) -> str:
        found = values[match[1]]
        if match[2] == "sqlstring":
            return ",".join(_quoted(value) for value in found)
        if match[2] is None and len(found) == 1:
            return found[0]
        raise ValueError(match[0])

    return _VARIABLE.sub(one, sql)


def with_macros(sql: str, start: datetime, end: datetime, interval_s: int) -> str:
    """The plugin's macros as its documentation tells them; an unknown one stays and is refused by the engine."""
    since, until = f"toDateTime({int(start.timestamp())})", f"toDateTime({int(end.timestamp())})"
    seconds = str(max(interval_s, 1))
    calls: dict[str, Callable[[str], str]] = {
        "timeFilter": lambda column: f"{column} >= {since} AND {column} <= {until}",
        "timeInterval": lambda column: f"toStartOfInterval(toDateTime({column}), INTERVAL {seconds} second)",
    }
    for name, make in calls.items():
        sql = re.sub(rf"\$__{name}\(([^()]*)\)", lambda match, make=make: make(match[1].strip()), sql)  # type: ignore[misc]
    for name, text in {"fromTime": since, "toTime": until, "interval_s": seconds}.items():
        sql = re.sub(rf"\$__{name}\b", text, sql)
    return sql
