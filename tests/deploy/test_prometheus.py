"""Prometheus' and Alertmanager's files: accepted by their own checkers, about figures that the processes really tell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import Processes
from tests.deploy.files import DEPLOY, ROOT

FOLDER = DEPLOY / "prometheus"
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load((FOLDER / "rules.yml").read_text())["groups"] for rule in group["rules"]]


def _check(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_its_configuration() -> None:
    """`promtool check config`, which reads the rules as well."""
    assert "rules found" in _check("promtool", "check", "config", FOLDER / "prometheus.yml")


def test_rules_fire_when_they_should() -> None:
    """`promtool test rules`: made-up series, and which alerts they cause."""
    _check("promtool", "test", "rules", FOLDER / "rules.test.yml")


def test_alertmanager_takes_its_configuration() -> None:
    """`amtool check-config`."""
    _check("amtool", "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")


def test_alerts_find_their_receiver() -> None:
    """`amtool config routes test`: each severity reaches the neutral receiver."""
    for severity in ("P0", "P1", "P2"):
        command = ("amtool", "config", "routes", "test", f"--config.file={DEPLOY / 'alertmanager' / 'alertmanager.yml'}")
        assert _check(*command, f"severity={severity}").strip() == "inbox"


def _metrics_in(rules: list[dict[str, Any]]) -> set[str]:
    return {name for rule in rules for name in re.findall(r"\biskra_\w+", rule["expr"])}


@pytest.mark.kafka
@pytest.mark.store
def test_every_figure_in_a_rule_is_told_by_a_process(processes: Processes) -> None:
    """A rule over a name that nobody tells would stay silent for ever."""
    told: set[str] = set()
    for name in processes.metrics:
        for family, kind in re.findall(r"^# TYPE (\w+) (\w+)$", processes.figures(name), re.MULTILINE):
            told |= {f"{family}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {family}
    assert _metrics_in(RULES) - told == set()


@pytest.mark.kafka
@pytest.mark.store
def test_every_label_in_a_rule_is_told_by_a_process(processes: Processes) -> None:
    """What rules group by stands on the figures; `instance` and `job` are Prometheus' own."""
    texts = "\n".join(processes.figures(name) for name in processes.metrics)
    for rule in RULES:
        labels = {name for found in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]) for name in re.split(r",\s*", found)}
        for metric in _metrics_in([rule]):
            samples = re.findall(rf"^{metric}\{{([^}}]*)\}}", texts, re.MULTILINE)
            if samples:
                known = {name for sample in samples for name in re.findall(r"(\w+)=", sample)} | {"instance", "job"}
                assert labels <= known, (rule["alert"], metric, known)


def test_every_alert_has_what_an_operator_needs() -> None:
    """A severity, a line that says what, one that says what it means, and a section of a document that says what to do."""
    for rule in RULES:
        assert rule["labels"]["severity"] in {"P0", "P1", "P2"}
        notes = rule["annotations"]
        assert notes["summary"]
        assert notes["description"].endswith(".")
        path, _, anchor = notes["runbook"].partition("#")
        titles = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
        assert anchor in anchors, f"{rule['alert']}: no section #{anchor} in {path}"
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    text = (ROOT / "docs" / "operations" / "troubleshooting.md").read_text()
    assert set(re.findall(r"\bIskra[A-Z]\w+", text)) == {rule["alert"] for rule in RULES}
