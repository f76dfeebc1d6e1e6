"""Whatever others write on Iskra's own topics, no part ends of it, none begins badly with it, and every command works."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Message, Producer

from iskra.stack import ports
from schemas.topics import CURRENT, DEFAULT_PARTITIONS, TOPICS, full_name
from tests.stack.test_up import Up, _iskra, _judged, _request, _until
from tests.streams.helpers import dump, headers_of

pytestmark = [pytest.mark.kafka, pytest.mark.store]

LIVE = "iskra"
IN_PAIN = b"default/iskra/pain"
"""The reporter's subject: it suffers when everything is killed."""
OTHERS = ("worker", "sink", "notify", "gateway", "reporter")
KEYS = [None, b"", b"\xff", b"a", b"a/b", b"a/b/c", b"a/b/c/d", b"default/alpha", b"default/alpha/clarity", b"\xed\xa0\x80"]
VALUES = [None, b"", b"{}", b"[]", b"null", b"\xff\xfe", b'"x"', b"1", b'{"tenant":1}', b"[" * 5_000, b'{"a":' * 5_000]
NAMES = ["id", "at", "by", "kind", "lineage", "origin", "encoding", "redrive"]
HEADERS = [None, b"", b"\xff", b"-1", b"x", b"9" * 30, b"0-1-0-0-aa", b"0-1", b"0-x-y-z-aa", b"a-b-c-d-e", b"tick", b"notify", b"7"]
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


def _statuses(kafka: str) -> list[Message]:
    """What workers have written of the pain of `iskra`, in order."""
    found = [message for messages in dump(kafka, full_name(LIVE, CURRENT)) for message in messages if message.key() == IN_PAIN]
    return [message for message in found if headers_of(message).get("at", b"").isdigit()]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    """A stack that starts."""
    started = Up(tmp_path / "data", ports.free_port())
    yield started
    started.close()


@pytest.mark.timeout(900)
def test_what_others_write_on_our_topics_ends_nothing(up: Up) -> None:
    """Parts that run go on, parts that are killed come back, what is stale is mended, lists are told without it."""
    ready = up.ready()
    gateway, kafka = ready["urls"]["gateway"], ready["urls"]["kafka"]
    _until(lambda: _judged(gateway, "alpha"), "there is no verdict")
    scatter(kafka, 1)
    _until(lambda: _judged(gateway, "beta"), "there is no verdict beside the rubbish")
    pids = {part: msgspec.json.decode((up.data / "run.json").read_bytes())["pids"][part] for part in OTHERS}
    assert pids == {part: ready["pids"][part] for part in OTHERS}

    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    _until(lambda: _request(gateway, "GET", "/readyz")[0] == 200, "the gateway is not back")
    scatter(kafka, 2)
    _until(lambda: _judged(gateway, "gamma"), "there is no verdict after the kills")

    # what a paused worker would write late: a status that is not the latest any more
    _until(lambda: len(_statuses(kafka)) > 1, "the kills have changed nothing")
    stale = _statuses(kafka)[0]
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(full_name(LIVE, CURRENT), stale.value(), IN_PAIN, stale.partition() or 0, headers=stale.headers())
    assert producer.flush(30) == 0
    said = f"an older status stood last, the latest is written again key={IN_PAIN.decode()}"
    _until(lambda: said in (up.data / "logs" / "worker.log").read_text(), "the stale status still stands last")

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
    code, report = _iskra("verify", "--no-store", *log)
    assert code == 1  # the rubbish is told, and nothing of ours is missing
    assert {each["kind"] for each in report["differences"]} <= {"unexpected", "stale"}
    assert up.stop() == 0, up.said()
    for part in (*OTHERS, "store"):
        assert "Traceback" not in (up.data / "logs" / f"{part}.log").read_text(errors="replace"), part
