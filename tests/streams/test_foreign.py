"""What others write on the worker's own topics, and what of it is taken for a worker's."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from iskra import config_files
from iskra.client import Commander, Consumer
from schemas.commands import MuteVoice
from schemas.config import ENGINE_VERSION, config_hash, published, to_json
from schemas.partitioning import partition_for, subject_key
from schemas.topics import DEAD_LETTERS, DEFAULT_PARTITIONS, POINTS, STATUS, WINDOWS, full_name
from streams.current import order
from streams.recovery import offset_in
from tests.raw_producer import RawProducer
from tests.streams.helpers import START_MS, WorkerProcess, check, dump, statuses_on_topic, wait_for

CONFIG = config_files.load()


def test_only_a_body_that_its_hash_names_is_a_configuration() -> None:
    """Another one under our name would be judged by where it is read first, and recomputed by where it is read last."""
    name = config_hash(CONFIG)
    assert published(name, to_json(CONFIG)) == CONFIG
    other = msgspec.structs.replace(CONFIG, windows=CONFIG.windows[:1])
    for body in (to_json(other), b"", b"{}", b"null", b"[" * 2_000, b"\xff"):
        with pytest.raises(ValueError, match=r"\w"):
            published(name, body)
    with pytest.raises(ValueError, match=rf"its hash is {name}"):
        published("0" * 12, to_json(CONFIG))
    assert ENGINE_VERSION >= 1


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (b"0", 0),
        (b"88417", 88417),
        (b"-1", None),
        (b"1_0", None),
        (b" 7 ", None),
        (b"9" * 5_000, None),
        (b"\xb2", None),
        (b"", None),
        (None, None),
    ],
)
def test_an_offset_is_digits(text: bytes | None, offset: int | None) -> None:
    """Or no worker wrote it."""
    assert offset_in(text) == offset


def test_statuses_are_ordered_by_what_workers_write_alone() -> None:
    """Input offset, index, number; a tombstone last of its offset; ids that no worker gives have no order."""
    ranks = [order(5, b"0-5-0-0-aa"), order(5, b"0-5-0-1-aa"), order(5, b"0-5-1-0-aa"), order(5, b""), order(6, b"0-6-0-0-aa")]
    known = [rank for rank in ranks if rank is not None]
    assert known == sorted(known)
    assert len(known) == len(ranks)
    for id_ in (b"x", b"0-5", b"0-5-x-0-aa", b"0-5-0-0-aa-sent", b"0-5-99999-0-aa", b"0-5-0-" + b"9" * 30 + b"-aa"):
        assert order(5, id_) is None


@pytest.mark.kafka
def test_headers_that_cannot_be_read_cost_their_record_alone(kafka: str, namespace: str, tmp_path: Path) -> None:
    """In the middle of a batch, too: the others of it are judged, each once; beside a worker that runs and one that begins."""
    key = b"default/alpha"
    partition = partition_for(key, DEFAULT_PARTITIONS)

    def batch(second: int) -> None:
        with RawProducer(kafka) as raw:
            for n in range(10):
                value = b'{"subject":"alpha","metric":"clarity","value":0.8,"ts":%d}' % ((START_MS // 1000 + second + n) * 1000)
                raw.produce(full_name(namespace, POINTS), partition, value, key=key, header=(b"na\xefve", b"x") if n % 4 == 2 else None)

    batch(0)
    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        worker.wait_said("owns")
        batch(10)
        expected = check(kafka, namespace)
        assert worker.stop() == 0
    batch(20)
    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        worker.wait_said("owns")
        expected = check(kafka, namespace)
        assert worker.stop() == 0
    letters = [msgspec.json.decode(said.value) for said in expected.values() if said.topic == DEAD_LETTERS]
    assert [(letter["reason"], letter["detail"]) for letter in letters] == [("undecodable", "headers: expected names in UTF-8")] * 6
    windows = [msgspec.json.decode(said.value) for said in expected.values() if said.topic == WINDOWS]
    assert windows[0]["count"] == 8


@pytest.mark.kafka
@pytest.mark.parametrize("end", ["committed", "aborted"])
def test_points_of_a_transaction_count_when_they_stand_in_the_log(kafka: str, namespace: str, tmp_path: Path, end: str) -> None:
    """Before it ends, and whichever way it does: no verdict waits for it, and every reader, here the engine alone, sees the same log.

    Its mark at the end of the partition, which no reader is given, keeps nobody waiting.
    """
    key = b"default/alpha"
    partition = partition_for(key, DEFAULT_PARTITIONS)
    topic = full_name(namespace, POINTS)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": namespace})
    producer.init_transactions(60)
    with WorkerProcess(kafka, namespace, tmp_path) as worker:
        worker.wait_said("owns")
        producer.begin_transaction()
        for n in range(3):
            value = b'{"subject":"alpha","metric":"clarity","value":0.8,"ts":%d}' % (START_MS + n * 1000)
            producer.produce(topic, value, key, partition, timestamp=START_MS + n * 1000)
        assert producer.flush(60) == 0
        wait_for(lambda: statuses_on_topic(kafka, namespace) == 2, "a verdict before the transaction ends")
        (producer.commit_transaction if end == "committed" else producer.abort_transaction)(60)
        mute = MuteVoice(subject="alpha", voice="pino", who="ada")
        with Commander(kafka, namespace=namespace) as commander:
            place = commander.send(mute)
        expected = check(kafka, namespace)
        assert worker.stop() == 0
    levels = [msgspec.json.decode(said.value)["level"] for said in expected.values() if said.topic == STATUS]
    assert levels == ["UNKNOWN", "OK"]
    with Consumer(kafka, "metrics.points", namespace=namespace) as consumer:
        assert [message.offset for message in consumer.read_to_end(30)] == [1, 2, 3]  # behind the configuration's marker
    (command,) = [message for message in dump(kafka, topic)[partition] if message.offset() == place.offset]
    assert command.timestamp()[1] == START_MS + 2000


@pytest.mark.kafka
def test_a_partition_in_which_somebody_writes_all_the_time_has_an_end(kafka: str, namespace: str) -> None:
    """Behind a transaction's mark, too: what is asked for up to the end ends there, and the time of the end is told."""
    topic = full_name(namespace, POINTS)
    producer = Producer({"bootstrap.servers": kafka, "transactional.id": namespace})
    producer.init_transactions(60)
    producer.begin_transaction()
    point = b'{"subject":"alpha","metric":"clarity","value":0.8,"ts":%d}' % START_MS
    producer.produce(topic, point, b"default/alpha", 0, timestamp=START_MS)
    producer.commit_transaction(60)
    ended = threading.Event()

    def write() -> None:
        busy = Producer({"bootstrap.servers": kafka, "linger.ms": 0})
        while not ended.wait(0.02):
            busy.produce(topic, point, b"default/alpha", 0, timestamp=START_MS + 1000)
            busy.poll(0)
        busy.flush(30)

    with Consumer(kafka, "metrics.points", namespace=namespace, until_end=True) as consumer:
        thread = threading.Thread(target=write)
        thread.start()
        try:
            assert [message.offset for message in consumer] == [0]
            alpha = next(name for name in map(str, range(100)) if partition_for(subject_key("default", name), DEFAULT_PARTITIONS) == 0)
            with Commander(kafka, namespace=namespace) as commander:
                place = commander.send(MuteVoice(subject=alpha, voice="pino", who="ada"))
        finally:
            ended.set()
            thread.join()
    (command,) = [message for message in dump(kafka, topic)[0] if message.offset() == place.offset]
    assert command.timestamp()[1] == START_MS + 1000
