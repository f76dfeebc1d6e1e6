"""`iskra dlq`: what is found, what is published again, and that it is so only once. Letters come from the real engine."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer as KafkaProducer

from iskra import config_files
from iskra import dlq as module
from iskra.cli.dlq import command
from iskra.client import Consumer, Message, Point
from iskra.client.kafka import CLIENT_SETTINGS
from iskra.dlq import TOLD_BYTES, Wanted
from processors.engine import PartitionEngine
from schemas.outputs import DeadLetter
from schemas.partitioning import partition_for
from schemas.topics import full_name

pytestmark = pytest.mark.kafka

TS = 1_767_225_600_000
HOME = next(name for name in map(str, range(100)) if partition_for(f"default/{name}".encode(), 4) == 0)
"""A subject that belongs to partition 0."""
GOOD = {"subject": HOME, "metric": "load", "value": 1.0, "ts": TS}


class Log:
    """Writes points into partition 0 and lets the engine write its dead letters, as the worker does."""

    def __init__(self, kafka: str, namespace: str) -> None:
        self.kafka = kafka
        self.namespace = namespace
        self._producer = KafkaProducer({"bootstrap.servers": kafka, "message.max.bytes": 4_000_000})
        self._engine = PartitionEngine(
            config_files.load(), topic=full_name(namespace, "metrics.points"), partition=0, partitions=4, live=False
        )
        self._offset = 0

    def write(self, value: bytes, ts: int = TS, encoding: str | None = None) -> list[str]:
        """One record; the ids of its dead letters."""
        headers: dict[str, str | bytes | None] = {"encoding": encoding} if encoding else {}
        self._produce("metrics.points", value, b"", ts, headers)
        outs = self._engine.points(self._offset, ts, value, encoding)
        self._offset += 1
        dead = [out for out in outs if isinstance(out.value, DeadLetter)]
        for out in dead:
            self._produce("dead-letters", msgspec.json.encode(out.value), out.key, ts, {"id": out.id.encode()})
        return [out.id for out in dead]

    def letter(self, letter: DeadLetter, letter_id: str, ts: int = TS) -> None:
        """A letter as it is."""
        self._produce("dead-letters", msgspec.json.encode(letter), b"", ts, {"id": letter_id.encode()})

    def _produce(self, topic: str, value: bytes, key: bytes, ts: int, headers: dict[str, str | bytes | None]) -> None:
        self._producer.produce(full_name(self.namespace, topic), value, key, 0, timestamp=ts, headers=headers)
        assert self._producer.flush(30) == 0

    def dlq(self, *arguments: str) -> Result:
        return CliRunner().invoke(command, [*arguments, "--kafka", self.kafka, "--namespace", self.namespace])

    def json(self, *arguments: str) -> Any:
        result = self.dlq(*arguments, "--json")
        assert result.exit_code in (0, 1), result.output
        return json.loads(result.stdout)

    def again(self) -> list[tuple[str, int, Any]]:
        """(id of the letter, partition, value) of what was published again."""
        with Consumer(self.kafka, "metrics.points", namespace=self.namespace, until_end=True) as consumer:
            return [
                (m.headers["redrive"].decode(), m.partition, m.value.value)
                for m in consumer
                if "redrive" in m.headers and isinstance(m.value, Point)
            ]


@pytest.fixture
def log(kafka: str, namespace: str) -> Log:
    return Log(kafka, namespace)


def point(**fields: Any) -> bytes:
    return msgspec.json.encode(GOOD | fields)


def foreign() -> str:
    """A subject that does not belong to partition 0."""
    return next(name for name in map(str, range(100)) if partition_for(f"default/{name}".encode(), 4) != 0)


def test_letters_are_listed_by_what_is_asked_for(log: Log) -> None:
    """All, or those of a reason, a subject, a time; the latest where there are many; exit 0 where there are none."""
    assert log.json("list") == []
    [bad] = log.write(point(value=2e9), TS)
    [unreadable] = log.write(b"\xffno", TS + 60_000)
    assert [letter["id"] for letter in log.json("list")] == [bad, unreadable]
    assert [letter["id"] for letter in log.json("list", "--reason", "undecodable")] == [unreadable]
    assert [letter["id"] for letter in log.json("list", "--subject", HOME, "--tenant", "default")] == [bad]
    assert [letter["id"] for letter in log.json("list", "--since", "2026-01-01T00:00:30Z")] == [unreadable]
    assert [letter["id"] for letter in log.json("list", "--limit", "1")] == [unreadable]
    assert log.json("list", "--since", "1h") == []
    text = log.dlq("list").stdout
    assert f"{bad} " in text
    assert "out_of_range" in text
    assert f"default/{HOME}/load" in text
    assert log.dlq("list", "--since", "yesterday").exit_code == 2
    assert log.dlq("list", "--since", "²").exit_code == 2


def test_a_letter_shows_its_bytes(log: Log) -> None:
    """Decoded where they are text, without what a terminal would obey; whether it was published again; unknown ids are refused."""
    [bad] = log.write(b'{"subject":"al\x1bpha"')
    shown = log.dlq("show", bad).stdout
    assert '{"subject":"al\\x1bpha"' in shown
    assert "not published again" in shown
    [raw] = log.write(b"\xff\xfe")
    result = log.dlq("show", raw)
    assert "ff fe" in result.stdout, result.output
    missing = log.dlq("show", "0-9-9-9-dead")
    assert missing.exit_code == 2
    assert "0-9-9-9-dead: expected the id" in missing.output


def test_a_point_is_published_again_once(log: Log) -> None:
    """In its right partition, marked with the letter's id; asked again, nothing happens; `--again` insists; a dry run does nothing."""
    subject = foreign()
    right = partition_for(f"default/{subject}".encode(), 4)
    log.write(point(), TS)
    [letter] = log.write(msgspec.json.encode([GOOD, GOOD | {"subject": subject, "value": 7.0}]), TS + 1000)
    assert log.json("redrive", letter, "--dry-run")["counts"] == {"would publish": 1}
    assert log.again() == []
    assert log.json("redrive", "--reason", "wrong_partition")["counts"] == {"published": 1}
    assert log.again() == [(letter, right, 7.0)]
    assert log.json("redrive", letter)["counts"] == {"published before": 1}
    assert log.json("redrive", "--reason", "wrong_partition")["counts"] == {"published before": 1}
    assert log.again() == [(letter, right, 7.0)]
    assert "its point was published again" in log.dlq("show", letter).stdout
    assert log.json("redrive", letter, "--again")["counts"] == {"published": 1}
    assert len(log.again()) == 2


def test_a_new_record_never_stands_before_the_end_of_the_log(log: Log) -> None:
    """Where the times are a driver's, it takes that of its partition's last record."""
    [letter] = log.write(point(value=2e9), TS)
    log.write(point(), TS + 90_000)
    log.dlq("redrive", letter)
    with Consumer(log.kafka, "metrics.points", namespace=log.namespace, until_end=True) as consumer:
        [record] = [m for m in consumer if "redrive" in m.headers]
    assert (record.partition, record.ts) == (0, TS + 90_000)


def test_a_letter_later_than_the_end_of_the_log_is_redriven_once(log: Log) -> None:
    """A second call looks for its point from the letter's time on, and finds it."""
    log.write(point(), TS)
    bytes_ = base64.b64encode(point()).decode()
    letter = DeadLetter("engine_error", "KeyError: 1", "default", HOME, "load", "t", 0, 0, 0, bytes_)
    log.letter(letter, "0-0-0-0-late", TS + 60_000)
    assert log.json("redrive", "0-0-0-0-late")["counts"] == {"published": 1}
    assert log.json("redrive", "0-0-0-0-late")["counts"] == {"published before": 1}


def test_msgpack_stays_msgpack(log: Log) -> None:
    """The bytes go out as they came, with the header that says how to read them."""
    log.write(point())
    [letter] = log.write(msgspec.msgpack.encode([GOOD | {"subject": foreign(), "value": 3.0}]), encoding="msgpack")
    assert log.json("redrive", letter)["counts"] == {"published": 1}
    assert [value for _, _, value in log.again()] == [3.0]


@pytest.mark.parametrize("size", [TOLD_BYTES, 1_500_000])
def test_a_long_item_is_read_again_from_the_log(log: Log, size: int) -> None:
    """The letter holds only its beginning; once the record is gone, that is said, with exit 1."""
    padding = "x" * size
    [letter] = log.write(msgspec.json.encode([GOOD | {"value": 4.0, "source": padding}]))
    assert log.json("redrive", letter)["counts"] == {"published": 1}
    gone = msgspec.structs.replace(DeadLetter("invalid", "d", None, None, None, "t", 3, 77, 0, ""), bytes="eHh4" * (TOLD_BYTES // 3 + 1))
    log.letter(gone, "3-77-0-0-dead")
    result = log.dlq("redrive", "3-77-0-0-dead")
    assert result.exit_code == 1
    assert "no longer in the log" in result.stdout


def test_a_long_item_that_came_by_http_cannot_be_published_again(log: Log) -> None:
    """It never stood in the log: that is told at once, with exit 1, and does not end the others' redrive."""
    cut = base64.b64encode(b"x" * TOLD_BYTES).decode()
    log.letter(DeadLetter("invalid", "d", None, None, None, "http", -1, -1, 0, cut), "http-1-0")
    log.letter(DeadLetter("invalid", "d", "default", HOME, "load", "http", -1, -1, 0, base64.b64encode(point()).decode()), "http-2-0")
    result = log.json("redrive", "--reason", "invalid")
    assert result["counts"] == {"cannot": 1, "published": 1}
    [detail] = [letter["detail"] for letter in result["letters"] if letter["outcome"] == "cannot"]
    assert "it never stood in the log, and the letter holds only its first 65536 bytes" in detail


def test_an_item_that_came_by_http_and_cannot_be_read_gets_a_partition(log: Log) -> None:
    """It stood in none; as a new record it is in the first, once, behind what stands there, and the worker may refuse it."""
    log.write(point(), TS + 60_000)
    for number, raw in enumerate((b"\xffno", b'{"subject":1}')):
        log.letter(DeadLetter("invalid", "d", None, None, None, "http", -1, -1, 0, base64.b64encode(raw).decode()), f"http-{number}-0", TS)
    result = log.json("redrive", "--reason", "invalid")
    assert result["counts"] == {"published": 2}
    assert {letter["detail"] for letter in result["letters"]} == {"as a new record of partition 0"}
    assert log.json("redrive", "--reason", "invalid")["counts"] == {"published before": 2}


def test_more_letters_than_the_client_s_queue_holds_are_published(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits until there is room (by default, behind 100,000 of them)."""
    monkeypatch.setitem(CLIENT_SETTINGS, "queue.buffering.max.messages", 10)
    count = 40
    log.write(msgspec.json.encode([GOOD | {"subject": foreign(), "value": i / 100} for i in range(count)]))
    assert log.json("redrive", "--reason", "wrong_partition")["counts"] == {"published": count}
    assert sorted(value for _, _, value in log.again()) == [i / 100 for i in range(count)]


def test_listing_holds_only_what_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a topic of any length: the latest are kept while it is read, not the whole of it."""

    def many(*_: Any) -> Iterator[Message]:
        """2000 letters of 20 kB each, made as they are read; the times go up and down."""
        for i in range(2000):
            told = DeadLetter("invalid", "d", None, None, None, "t", 0, i, 0, f"{i:020000}")
            yield Message(topic="dead-letters", partition=0, offset=i, index=0, key="", id=f"{i}", ts=i * 7 % 2000, value=told, headers={})

    monkeypatch.setattr(module, "messages", many)
    tracemalloc.start()
    found = module.letters("nowhere", "iskra", Wanted(), 3)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [letter.ts for letter in found] == [1997, 1998, 1999]
    assert most < 4_000_000


def test_a_defect_at_a_tick_is_ended_by_the_subject_s_next_point(log: Log) -> None:
    """Such a letter has no bytes; the latest point behind it, which the worker left alone, is published again."""
    letter = DeadLetter("engine_error", "KeyError: 1", "default", HOME, None, "t", 0, 0, 0, "")
    log.letter(letter, "0-0-0-0-abc")
    log.write(b"", TS)
    without = log.dlq("redrive", "0-0-0-0-abc")
    assert without.exit_code == 1
    assert "no point of the subject has come since" in without.stdout
    log.write(point(value=5.0), TS + 1000)
    log.write(msgspec.json.encode([GOOD | {"subject": "other"}, GOOD | {"value": 6.0}]), TS + 2000)
    assert log.json("redrive", "0-0-0-0-abc")["counts"] == {"published": 1}
    assert [value for _, _, value in log.again()] == [6.0]


def test_what_to_publish_must_be_said(log: Log) -> None:
    """Neither ids nor a reason, or both, is a usage error; a broker that is away is exit 3."""
    assert log.dlq("redrive").exit_code == 2
    assert log.dlq("redrive", "0-0-0-0-dead", "--reason", "invalid").exit_code == 2
    assert CliRunner().invoke(command, ["list", "--kafka", log.kafka, "--namespace", "nowhere"]).exit_code == 3
