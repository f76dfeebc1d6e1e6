"""The process itself: start, metrics, ticks, defects; what it waits for and what it says meanwhile."""

from __future__ import annotations

import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from iskra.stack import ports
from iskra.stack.topics import ensure_topics
from schemas.headers import headers_of
from schemas.partitioning import partition_for
from schemas.topics import DEFAULT_PARTITIONS, HEADER_KIND, KIND_TICK, POINTS, TOPICS, full_name
from streams.topics import misfits
from tests.streams.helpers import Load, WorkerProcess, check, dump, engine_alone, on_topics, statuses_on_topic, wait_for

pytestmark = pytest.mark.kafka

DEFECTIVE = """
import os, sys
os.environ["ISKRA_INTERPRETED"] = "1"  # compiled classes cannot be patched
from processors import subject
judge_point = subject.Subject.judge_point
def defective(self, series, emission):
    if self.name == "s003" and series.name == "trust" and self.second % 60 == 40:
        raise ZeroDivisionError("a defect")
    judge_point(self, series, emission)
subject.Subject.judge_point = defective
from iskra.cli.worker import command
command(sys.argv[1:])
"""


def ask(port: int, path: str) -> tuple[int, str]:
    """HTTP status and body; (0, "") while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def ticks(kafka: str, namespace: str) -> list[list[int]]:
    """The record times of the ticks of each partition, in ms."""
    return [
        [message.timestamp()[1] for message in log if headers_of(message).get(HEADER_KIND) == KIND_TICK]
        for log in dump(kafka, full_name(namespace, POINTS))
    ]


def test_waits_for_broker_and_topics(kafka: str, tmp_path: Path) -> None:
    """Without a broker, or without topics, a worker waits and says so in one line; SIGTERM ends it with 0 all the same."""
    with WorkerProcess(f"127.0.0.1:{ports.free_port()}", "nowhere", tmp_path) as worker:
        worker.wait_said("waiting for the broker")
        assert worker.stop() == 0
    namespace = f"late{time.monotonic_ns()}"
    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        worker.wait_said("waiting for topics")
        ensure_topics(kafka, namespace, DEFAULT_PARTITIONS)
        worker.wait_said("owns")
        assert worker.stop() == 0


def test_misfits_are_named() -> None:
    """A missing topic and one with a wrong number of partitions are named with what was found and wanted."""
    counts = {full_name("n", spec.name): 4 if spec.copartitioned else 1 for spec in TOPICS}
    assert misfits(counts, "n") == []
    del counts["n.slo.status"]
    wrong = misfits({**counts, "n.slo.windows": 3}, "n")
    assert wrong == ["topic n.slo.windows has 3 partitions, n.metrics.points has 4", "topic n.slo.status is missing"]


def test_metrics_and_health(kafka: str, namespace: str, tmp_path: Path) -> None:
    """/metrics tells records, points, outputs and lag; /healthz turns from 503 to 200 when partitions are owned."""
    port = ports.free_port()
    with WorkerProcess(kafka, namespace, tmp_path, "--metrics-port", str(port)) as worker, Load(kafka, namespace):
        wait_for(lambda: ask(port, "/healthz")[0] == 200, "health")
        wait_for(lambda: statuses_on_topic(kafka, namespace) >= 10, "verdicts")
        text = wait_for(lambda: ask(port, "/metrics")[1], "metrics")
        assert worker.stop() == 0
    for name in ("records_total", "points_total", "outputs_total", "lag", "checkpoint_age_seconds", "restore_seconds", "unacknowledged"):
        assert f"iskra_worker_{name}" in text
    assert 'iskra_worker_verdict_seconds_bucket{le="+Inf"}' in text
    assert 'iskra_worker_outputs_total{topic="slo.status"}' in text


def test_ticks_of_an_outage_are_never_sent(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A live worker appends one tick a second and partition; what it slept through it does not make up for."""
    with WorkerProcess(kafka, namespace, tmp_path, "--live", "--ticks") as worker:
        wait_for(lambda: min(map(len, ticks(kafka, namespace))) >= 2, "two ticks a partition")
        worker.pause()
        slept_from = time.time()
        time.sleep(3.5)
        slept_to = time.time()
        worker.go_on()
        wait_for(lambda: all(times[-1] > slept_to * 1000 + 1_000 for times in ticks(kafka, namespace)), "ticks again")
        assert worker.stop() == 0
    for times in ticks(kafka, namespace):
        seconds = [at // 1000 for at in times]
        assert len(set(seconds)) >= len(seconds) - 1  # two may fall into one second around the pause; the engine ignores one
        assert not [at for at in times if slept_from * 1000 + 1_000 < at < slept_to * 1000 - 100]


def test_a_defect_costs_one_subject(kafka: str, namespace: str, tmp_path: Path) -> None:
    """What a record makes the engine raise goes to dead-letters and its subject turns UNKNOWN; the others go on as if nothing were."""
    command = [sys.executable, "-c", DEFECTIVE]
    with WorkerProcess(kafka, namespace, tmp_path, command=command) as worker, Load(kafka, namespace) as load:
        wait_for(lambda: load.steps >= 200 and statuses_on_topic(kafka, namespace) >= 20, "the stream under way")
        load.end()
        sound = {id_: said for id_, said in engine_alone(kafka, namespace).items() if b"s003" not in said.key}
        found = wait_for(lambda: (said := on_topics(kafka, namespace)).keys() >= sound.keys() and said, "all outputs of the others")
        assert worker.stop() == 0
    assert {id_: said for id_, said in found.items() if b"s003" not in said.key} == sound
    letters = [said for said in found.values() if said.topic == "dead-letters" and b'"engine_error"' in said.value]
    assert len(letters) == 1
    assert b"ZeroDivisionError: a defect" in letters[0].value
    assert any(said.topic == "slo.status" and b'"engine_error"' in said.value for said in found.values() if said.key == b"default/s003")


def test_a_log_whose_beginning_is_gone_is_read_from_what_there_is(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A worker without a commit begins at the log's first offset, whatever that is: no gap, and verdicts as the engine alone gives them."""
    topic = full_name(namespace, POINTS)
    with Load(kafka, namespace) as load:
        wait_for(lambda: load.steps >= 100, "a log")
        load.end()
    client = AdminClient({"bootstrap.servers": kafka})
    for future in client.delete_records([TopicPartition(topic, number, 50) for number in range(DEFAULT_PARTITIONS)]).values():
        assert future.result().low_watermark == 50
    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        worker.wait_said("owns")
        assert check(kafka, namespace)
        assert not worker.said("records are missing")
        assert not worker.said("records were skipped")


def test_awkward_records(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A 10,000-point array, 1 MB of rubbish, empty values, unknown kinds, headers that say nothing and compressed batches pass in order."""
    topic = full_name(namespace, POINTS)
    place = partition_for(b"default/big", DEFAULT_PARTITIONS)
    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        worker.wait_said("owns")
        for codec in ("none", "lz4", "zstd", "gzip"):
            producer = Producer(
                {"bootstrap.servers": kafka, "compression.type": codec, "message.max.bytes": 4 * 1024 * 1024, "log_level": 0}
            )
            point = b'{"subject":"big","metric":"clarity","value":0.8,"ts":%d}'
            at = 1_762_000_000_000
            producer.produce(topic, b"[%b]" % b",".join(point % (at + n) for n in range(10_000)), None, place, timestamp=at + 10_000)
            producer.produce(topic, b"\x00" * 1_000_000, None, place, timestamp=at + 10_000)
            producer.produce(topic, None, b"default/big", place, timestamp=at + 10_000)
            producer.produce(topic, b"x", None, place, timestamp=at + 10_000, headers={"kind": b"command"})
            producer.produce(topic, point % (at + 20_000), b"default/big", place, timestamp=at + 20_000, headers={"other": b"1"})
            odds: list[dict[str, str | bytes | None]] = [{"origin": b"bogus"}, {"kind": b""}]
            odds += [{name: None} for name in ("origin", "kind", "encoding", "redrive")]
            for odd in odds:
                producer.produce(topic, point % (at + 20_000), b"default/big", place, timestamp=at + 20_000, headers=odd)
            producer.flush()
        expected = check(kafka, namespace)
    assert sum(b'"undecodable"' in said.value for said in expected.values()) == 8
