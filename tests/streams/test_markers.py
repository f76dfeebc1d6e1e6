"""Configuration markers: where a verdict's configuration comes from is a matter of the log alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from iskra import config_files
from schemas.config import config_hash, to_json
from schemas.headers import headers_of
from schemas.topics import CONFIG, DEFAULT_PARTITIONS, HEADER_KIND, KIND_CONFIG, POINTS, full_name
from tests.streams.helpers import Load, WorkerProcess, check, check_current, dump, statuses_on_topic, wait_for

pytestmark = pytest.mark.kafka

STRICTER = config_files.DEFAULT_DIR.joinpath(config_files.THRESHOLDS).read_text(encoding="utf-8").replace("P2: 0.85", "P2: 0.83")


def markers(kafka: str, namespace: str) -> list[list[str]]:
    """The hashes of the markers of each partition, in order."""
    return [
        [(message.value() or b"").decode() for message in log if headers_of(message).get(HEADER_KIND) == KIND_CONFIG]
        for log in dump(kafka, full_name(namespace, POINTS))
    ]


def test_marker_in_midstream(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A marker whose body is not there yet is waited for; from its place on it judges, and a restart does not bring the old one back."""
    config = config_files.parse(STRICTER, "stricter")
    name = config_hash(config).encode()
    producer = Producer({"bootstrap.servers": kafka, "log_level": 0})
    headers: Any = [(HEADER_KIND, KIND_CONFIG)]
    with Load(kafka, namespace) as load, WorkerProcess(kafka, namespace, tmp_path) as worker:
        wait_for(lambda: statuses_on_topic(kafka, namespace) >= 20, "the stream under way")
        for number in range(DEFAULT_PARTITIONS):
            producer.produce(full_name(namespace, POINTS), name, None, number, headers=headers, timestamp=1_762_000_000_000)
        producer.flush()
        worker.wait_said("not here yet", DEFAULT_PARTITIONS)
        producer.produce(full_name(namespace, CONFIG), to_json(config), name, 0)
        producer.flush()
        seen = statuses_on_topic(kafka, namespace)
        wait_for(lambda: statuses_on_topic(kafka, namespace) >= seen + 20, "verdicts after the marker")
        load.end()
        expected = check(kafka, namespace)
        check_current(kafka, namespace, expected)
        assert worker.stop() == 0
    judged_by = {said.value.rpartition(b'"config":"')[2][:12] for said in expected.values() if said.topic == "slo.status"}
    assert name in judged_by
    assert len(judged_by) == 2
    assert all(len(hashes) == 2 for hashes in markers(kafka, namespace))


def test_start_with_another_configuration(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A worker that starts with another configuration than a partition's last appends its marker there, once."""
    directory = tmp_path / "config"
    directory.mkdir()
    (directory / config_files.THRESHOLDS).write_text(STRICTER, encoding="utf-8")
    name = config_hash(config_files.load(directory))
    with Load(kafka, namespace) as load:
        with WorkerProcess(kafka, namespace, tmp_path) as worker:
            worker.wait_said("owns")
            assert worker.stop() == 0
        for _ in range(2):
            with WorkerProcess(kafka, namespace, tmp_path, "--config", str(directory)) as worker:
                wait_for(
                    lambda: worker.said("owns") and all(h[-1:] == [name] for h in markers(kafka, namespace)),
                    "markers of the new configuration",
                )
                assert worker.stop() == 0
        load.end()
        with WorkerProcess(kafka, namespace, tmp_path, "--config", str(directory)):
            check(kafka, namespace)
    assert markers(kafka, namespace) == [[config_hash(config_files.load()), name]] * DEFAULT_PARTITIONS
