"""Whatever others write on Iskra's own topics, no part ends of it, none begins badly with it, and every command works."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Message, Producer

from iskra.stack import ports
from schemas.headers import headers_of
from schemas.topics import CHECKPOINTS, CONFIG, CURRENT, DEFAULT_PARTITIONS, POINTS, STATUS, TOPICS, full_name
from tests.raw_producer import RawProducer
from tests.stack.test_up import Up, _iskra, _judged, _request, _until
from tests.streams.helpers import dump

pytestmark = [pytest.mark.kafka, pytest.mark.store]

LIVE = "iskra"
IN_PAIN = b"default/iskra/pain"
"""Of the reporter's subject; its first two points make two statuses."""
OTHERS = ("worker", "sink", "notify", "gateway", "reporter")
LEAVES: list[Any] = [
    None,
    "",
    "x" * 100_000,
    "\u0000",
    "<b>",
    -1,
    0,
    2**32,
    2**63,
    10**30,
    10**300,
    1e308,
    -1e308,
    0.5,
    True,
    [],
    {},
    [[]],
    {"a": 1},
]
KEYS = [None, b"", b"\xff", b"a", b"a/b", b"a/b/c", b"a/b/c/d", b"default/alpha", b"default/alpha/clarity", b"\xed\xa0\x80"]
VALUES = [None, b"", b"{}", b"[]", b"null", b"\xff\xfe", b'"x"', b"1", b'{"tenant":1}', b"[" * 5_000, b'{"a":' * 5_000]
NAMES = ["id", "at", "by", "kind", "lineage", "origin", "encoding", "redrive"]
HEADERS = [None, b"", b"\xff", b"-1", b"x", b"9" * 30, b"0-1-0-0-aa", b"0-1", b"0-x-y-z-aa", b"a-b-c-d-e", b"tick", b"notify"]
HEADERS += [b"0-99999-0-0-1c9fb6c7ae9d39ef-sent", b"0-99999-0-0-1c9fb6c7ae9d39ef"]


def scatter(kafka: str, seed: int, records: int = 200) -> None:
    """Writes so many records of rubbish to each topic of ours."""
    pick = random.Random(seed)
    producer = Producer({"bootstrap.servers": kafka})
    for topic in TOPICS:
        partitions = DEFAULT_PARTITIONS if topic.copartitioned else 1
        keys = KEYS[1:] if topic.compacted else KEYS  # a broker takes no record without a key there
        for _ in range(records):
            headers: Any = [(name, pick.choice(HEADERS)) for name in pick.sample(NAMES, pick.randint(0, 4))]
            producer.produce(
                full_name(LIVE, topic.name), pick.choice(VALUES), pick.choice(keys), pick.randrange(partitions), headers=headers
            )
    assert producer.flush(60) == 0
    with RawProducer(kafka) as raw:
        for topic in TOPICS:
            for number in range(DEFAULT_PARTITIONS if topic.copartitioned else 1):
                for header in (None, (b"\xff\xfe", b"x"), None):
                    raw.produce(full_name(LIVE, topic.name), number, b"{}", key=b"?", header=header)


def outputs(tmp: Path) -> list[dict[str, Any]]:
    """What the engine says of ten minutes of a subject that goes through much: each kind of output."""
    start = 1_762_435_200
    lines = []
    for second in range(600):
        levels = {"trust": 0.45, "pain": 0.75, "chaos": 0.85} if 40 <= second < 540 else {}
        for metric, value in ({"clarity": 0.80, "chaos": 0.45, "trust": 0.80, "pain": 0.30} | levels).items():
            lines.append({"subject": "alpha", "metric": metric, "value": value, "ts": (start + second) * 1000})
    (tmp / "points.ndjson").write_bytes(b"\n".join(map(msgspec.json.encode, [*lines, {"subject": "alpha"}])))
    done = subprocess.run(
        [sys.executable, "-m", "iskra", "evaluate", str(tmp / "points.ndjson")], check=True, capture_output=True, timeout=120
    )
    return [msgspec.json.decode(line) for line in done.stdout.splitlines()]


def _changed(value: Any, pick: random.Random) -> Any:
    """The value with one of its leaves exchanged."""
    if isinstance(value, dict) and value:
        name = pick.choice(list(value))
        return {**value, name: _changed(value[name], pick)}
    if isinstance(value, list) and value:
        return [_changed(value[0], pick), *value[1:]]
    return pick.choice(LEAVES)


def forge(kafka: str, seed: int, samples: list[dict[str, Any]], records: int = 2_000) -> None:
    """Writes outputs as workers do, each with one leaf of its value exchanged for something absurd, below the ids that are real."""
    pick = random.Random(seed)
    producer = Producer({"bootstrap.servers": kafka})
    by_topic: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        by_topic.setdefault(sample["topic"], []).append(sample)
    assert set(by_topic) == {topic.name for topic in TOPICS} - {POINTS, CURRENT, CHECKPOINTS, CONFIG}
    for number in range(records):
        sample = pick.choice(by_topic[pick.choice(list(by_topic))])
        value = msgspec.json.encode(_changed(sample["value"], pick))
        headers: Any = [("id", f"0-0-{number}-0-1c9fb6c7ae9d39ef".encode())]
        for topic in (sample["topic"], CURRENT) if sample["topic"] == STATUS else (sample["topic"],):
            key = sample["key"] + ("/clarity" if topic == CURRENT else "")
            producer.produce(full_name(LIVE, topic), value, key.encode(), pick.randrange(DEFAULT_PARTITIONS), headers=headers)
    assert producer.flush(60) == 0


def _statuses(kafka: str) -> list[Message]:
    """What workers have written of the pain of `iskra`, each status once, in order."""
    found = [message for messages in dump(kafka, full_name(LIVE, CURRENT)) for message in messages if message.key() == IN_PAIN]
    return list({headers_of(message)["id"]: message for message in found}.values())


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A stack that starts."""
    started = Up(tmp_path / "data", ports.free_port())
    yield started
    started.close()


@pytest.mark.timeout(900)
def test_what_others_write_on_our_topics_ends_nothing(up: Up, tmp_path: Path) -> None:
    """Parts that run go on, parts that are killed come back, what is stale is mended, lists are told without it."""
    ready = up.ready()
    gateway, kafka = ready["urls"]["gateway"], ready["urls"]["kafka"]
    _until(lambda: _judged(gateway, "alpha"), "there is no verdict")
    refused = {"subject": "refused", "metric": "clarity", "value": 7, "ts": 0}
    assert _request(gateway, "POST", "/api/v1/points", msgspec.json.encode([refused]))[0] == 202
    samples = outputs(tmp_path)
    scatter(kafka, 1)
    forge(kafka, 1, samples)
    _until(lambda: _judged(gateway, "beta"), "there is no verdict beside the rubbish")
    pids = {part: msgspec.json.decode((up.data / "run.json").read_bytes())["pids"][part] for part in OTHERS}
    assert pids == {part: ready["pids"][part] for part in OTHERS}

    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    _until(lambda: _request(gateway, "GET", "/readyz")[0] == 200, "the gateway is not back")
    scatter(kafka, 2)
    forge(kafka, 2, samples)
    _until(lambda: _judged(gateway, "gamma"), "there is no verdict after the kills")

    # what a paused worker would write late: a status that is not the latest any more
    _until(lambda: len(_statuses(kafka)) > 1, "the reporter has not been judged twice")
    stale = _statuses(kafka)[0]
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(full_name(LIVE, CURRENT), stale.value(), IN_PAIN, stale.partition() or 0, headers=stale.headers())
    assert producer.flush(30) == 0
    said = f"an older status stood last, the latest is written again key={IN_PAIN.decode()}"
    _until(lambda: said in (up.data / "logs" / "worker.log").read_text(), "the stale status still stands last")

    for path in ("slo/status?limit=500", "voices/status", "v1/alerts", "v1/actions", "v1/alerts/past", "v1/actions/past", "v1/verdicts"):
        assert _request(gateway, "GET", f"/api/{path}")[0] == 200, path
    known = _request(gateway, "GET", "/api/slo/status?subject=alpha&tenant=default")[1]["items"]
    assert "iskra.metrics.points" in {each["evidence"]["topic"] for each in known if each["metric"] == "clarity"}
    with urllib.request.urlopen(f"{gateway}/status", timeout=30) as page:  # noqa: S310 - our own address
        assert page.status == 200

    log = ("--kafka", kafka, "--namespace", LIVE)
    for command in (
        ("dlq", "list"),
        ("alerts", "list"),
        ("voices", "list"),
        ("actions", "list"),
        ("config", "diff"),
        ("explain", headers_of(stale)["id"].decode()),
        ("explain", "--why-not", "pino", "--subject", "alpha"),
        ("voices", "mute", "pino", "--subject", "alpha"),
    ):
        assert _iskra(*command, *log)[0] == 0, command
    (letter,) = _iskra("dlq", "list", "--subject", "refused", *log)[1]
    assert letter["reason"] == "out_of_range"
    letters = _iskra("dlq", "list", "--reason", "undecodable", "--limit", "10000", *log)[1]
    assert [each["detail"] for each in letters].count("headers: expected names in UTF-8") == 2 * DEFAULT_PARTITIONS
    code, report = _iskra("verify", "--no-store", *log)
    assert code == 1  # the rubbish is told, and nothing of ours is missing
    assert {each["kind"] for each in report["differences"]} <= {"unexpected", "stale"}
    assert up.stop() == 0, up.said()
    for part in (*OTHERS, "store"):
        assert "Traceback" not in (up.data / "logs" / f"{part}.log").read_text(errors="replace"), part
