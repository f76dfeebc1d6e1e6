"""`iskra topics`, `iskra config diff|push` and `iskra doctor` against a real broker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Consumer, TopicPartition

from iskra.cli import root
from iskra.config_files import DEFAULT_DIR, THRESHOLDS, load
from iskra.published_config import body, in_force
from iskra.stack import ports
from iskra.stack.kafka import QUICK_CLIENT
from schemas.config import config_hash
from schemas.topics import DEFAULT_PARTITIONS, HEADER_KIND, KIND_CONFIG, POINTS, TOPICS, full_name

pytestmark = pytest.mark.kafka


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(root, list(arguments))


def _json(result: Result) -> Any:
    return msgspec.json.decode(result.stdout)


def _candidate(directory: Path) -> Path:
    """A configuration that differs in one bound."""
    text = (DEFAULT_DIR / THRESHOLDS).read_text(encoding="utf-8")
    (directory / THRESHOLDS).write_text(text.replace("high: {P2: 0.85, P1: 0.90", "high: {P2: 0.86, P1: 0.90", 1), encoding="utf-8")
    return directory


def test_topics_tells_the_registry_and_what_the_broker_has(kafka: str, namespace: str) -> None:
    """Each topic of the registry with its settings, and what the broker has of it; a check passes."""
    result = _run("topics", "--kafka", kafka, "--namespace", namespace, "--check", "--json")
    assert result.exit_code == 0, result.output
    found = {topic["short"]: topic for topic in _json(result)["topics"]}
    assert list(found) == [spec.name for spec in TOPICS]
    assert found[POINTS]["partitions"] == DEFAULT_PARTITIONS
    assert all(topic["findings"] == [] for topic in found.values())


def test_topics_of_an_empty_namespace_are_absent_and_can_be_created(kafka: str) -> None:
    """`--check` exits 1 while they are absent, `--create` makes them, with another count it is refused."""
    arguments = ["topics", "--kafka", kafka, "--namespace", "fresh"]
    absent = _run(*arguments, "--check")
    assert absent.exit_code == 1
    assert absent.output.count("broker: absent") == len(TOPICS)
    assert _run(*arguments, "--create", "--partitions", "2").exit_code == 0
    assert _run(*arguments, "--check").exit_code == 0
    refused = _run(*arguments, "--create", "--partitions", "3")
    assert refused.exit_code == 1
    assert "fresh.metrics.points has 2 partitions, expected 3" in refused.output


def test_without_a_broker_topics_still_tells_the_registry() -> None:
    """The registry is printed; a check exits 3 with one line that names the address."""
    address = f"127.0.0.1:{ports.free_port()}"
    assert _run("topics", "--kafka", address).exit_code == 0
    checked = _run("topics", "--kafka", address, "--check")
    assert checked.exit_code == 3
    assert checked.output.strip().startswith(f"Error: Kafka at {address} does not answer")


def test_a_pushed_configuration_is_in_force_in_every_partition(kafka: str, namespace: str, tmp_path: Path) -> None:
    """Body by hash, then a marker in each partition; diff then says what would change against it, and exits 1."""
    where = ["--kafka", kafka, "--namespace", namespace]
    assert in_force(kafka, namespace) == dict.fromkeys(range(DEFAULT_PARTITIONS))
    pushed = _run("config", "push", str(DEFAULT_DIR), *where, "--json")
    assert pushed.exit_code == 0, pushed.output
    config = load(DEFAULT_DIR)
    name = config_hash(config)
    assert _json(pushed) == {"hash": name, "offsets": {str(partition): 0 for partition in range(DEFAULT_PARTITIONS)}}
    assert in_force(kafka, namespace) == dict.fromkeys(range(DEFAULT_PARTITIONS), name)
    assert body(kafka, namespace, name) == config
    marker = _first(kafka, full_name(namespace, POINTS))
    assert (marker.key(), marker.value(), marker.headers()) == (None, name.encode(), [(HEADER_KIND, KIND_CONFIG)])

    assert _run("config", "diff", str(DEFAULT_DIR), *where).exit_code == 0
    changed = _run("config", "diff", str(_candidate(tmp_path)), *where, "--json")
    assert changed.exit_code == 1
    assert _json(changed)["changes"] == [{"running": name, "field": "metrics.clarity.high.P2", "before": 0.85, "after": 0.86}]
    told = _run("config", "diff", str(tmp_path), *where)
    assert "metrics.clarity.high.P2: 0.85 → 0.86" in told.output


def test_a_configuration_is_not_pushed_where_there_are_no_topics(kafka: str) -> None:
    """One line names the topic that is missing; exit 3."""
    result = _run("config", "push", "--kafka", kafka, "--namespace", "nowhere")
    assert result.exit_code == 3
    assert "has no topic nowhere.metrics.points" in result.output


def test_an_invalid_configuration_is_not_pushed(kafka: str, namespace: str, tmp_path: Path) -> None:
    """It is refused whole, exit 2, and what runs goes on."""
    (tmp_path / THRESHOLDS).write_text("version: one\n", encoding="utf-8")
    assert _run("config", "push", str(tmp_path), "--kafka", kafka, "--namespace", namespace).exit_code == 2
    assert in_force(kafka, namespace) == dict.fromkeys(range(DEFAULT_PARTITIONS))


def test_doctor_reports_a_wrong_partition_count(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A count that differs is a finding with both numbers and how to mend it; a store that is away makes the exit code 3."""
    away = f"http://127.0.0.1:{ports.free_port()}"
    result = _run(
        *("doctor", "--data", str(tmp_path), "--kafka", kafka, "--clickhouse", away, "--namespace", namespace),
        *("--partitions", "6", "--port", str(ports.free_port()), "--json"),
    )
    assert result.exit_code == 3
    findings = {finding["check"]: finding for finding in _json(result)["findings"]}
    points = findings[f"topic {full_name(namespace, POINTS)}"]
    assert (points["ok"], points["detail"]) == (False, "4 partitions, expected 6")
    assert "--partitions" in points["mend"]
    assert findings["clickhouse"]["unreachable"] is True
    assert findings["configuration"]["ok"] is True
    assert all(finding["mend"] for finding in findings.values() if not finding["ok"])


def test_doctor_names_the_line_of_a_wrong_configuration_and_a_taken_port(kafka: str, tmp_path: Path) -> None:
    """Each finding says what is wrong, where, and how to mend it."""
    (tmp_path / THRESHOLDS).write_text("version: one\n", encoding="utf-8")
    port = kafka.rsplit(":", 1)[1]
    result = _run("doctor", "--data", str(tmp_path), "--kafka", kafka, "--config", str(tmp_path), "--port", port)
    assert result.exit_code in (1, 3)
    assert f"WRONG gateway: port {port} is taken by another program" in result.output
    assert f"WRONG configuration: {tmp_path / THRESHOLDS}:1: " in result.output
    assert result.output.count("WRONG") == result.output.count("mend:")


def _first(kafka: str, topic: str) -> Any:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "test", **QUICK_CLIENT})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(1, 30)
    consumer.close()
    return messages[0]
