"""A fetch round of an earlier assignment that arrives when its partition has been entered anew, without a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from faust.types import TP

from iskra import config_files
from schemas.config import Config, config_hash
from schemas.topics import HEADER_KIND, KIND_CONFIG, POINTS, full_name
from streams.configs import Configs
from streams.outputs import Outputs
from streams.settings import Settings
from streams.takeover import Takeover
from tests.streams.fake import FakeWorker, LogRecord, World

POINT = b'{"subject":"alpha","metric":"clarity","value":0.8,"ts":%d}'
AT = 1_762_000_000_000
CONFIG = config_files.load()


@pytest.mark.kafka
def test_a_partition_without_a_commit_begins_at_the_log_s_first_offset(kafka: str, namespace: str) -> None:
    """By its number, whatever that is."""
    topic = full_name(namespace, POINTS)
    producer = Producer({"bootstrap.servers": kafka})
    for offset in range(10):
        marker: Any = [(HEADER_KIND, KIND_CONFIG)] if offset == 8 else None
        value = config_hash(CONFIG).encode() if marker else POINT % AT
        producer.produce(topic, value, b"default/alpha", 0, timestamp=AT, headers=marker)
    producer.flush()
    client = AdminClient({"bootstrap.servers": kafka})
    for future in client.delete_records([TopicPartition(topic, 0, 7)]).values():
        future.result()

    async def config(_: str) -> Config:
        return CONFIG

    async def ends(tps: Iterable[TP]) -> dict[TP, int]:
        return dict.fromkeys(tps, 10)

    takeover = Takeover(
        cast(Settings, SimpleNamespace(kafka=kafka, namespace=namespace, is_live=False)),
        cast(Configs, SimpleNamespace(wait_for=config)),
        cast(Outputs, SimpleNamespace(new_epoch=lambda: None)),
        4,
    )
    (taken,) = asyncio.run(takeover.take({0: None}, 1, cast(Any, SimpleNamespace(ends=ends))))
    assert (taken.next_offset, taken.engine.config_hash) == (7, config_hash(CONFIG))


def test_a_round_from_further_on_is_a_gap_and_what_stands_before_it_is_read() -> None:
    """Nothing of it is applied before its turn, and nothing twice."""
    log = [LogRecord(offset, AT + offset * 1000, POINT % (AT + offset * 1000)) for offset in range(40)]
    world = World(CONFIG, log)

    async def work() -> None:
        worker = FakeWorker(world)
        await worker._processing.round({0: [log[20:30]]})
        assert worker.partition.next_offset == 0
        assert worker.partition.gap_at == 20
        worker.partition.gap_at = None  # the worker seeks, and reads on from there
        await worker.finish()
        await worker.settle()

    asyncio.run(work())
    assert world.outputs == world.alone()
