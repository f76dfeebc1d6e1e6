"""What the gateway does about a topic that is being made at this moment."""

from __future__ import annotations

import asyncio
import contextlib
import uuid

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]  # its own documentation imports them from here

from gateway.ledger import Away, Ledger
from schemas.topics import POINTS, full_name
from tests.gateway.conftest import DEADLINE_S

pytestmark = pytest.mark.kafka

PARTITIONS = 48
"""So many that their logs take a while to make."""


async def takes_points(ledger: Ledger) -> None:
    """Waits until the gateway would take points."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            with contextlib.suppress(Away):
                return await ledger.probe()
            await asyncio.sleep(0.01)


def test_nothing_is_taken_before_each_partition_has_its_log(kafka: str) -> None:
    """A broker names leaders before it has the logs, and what it refuses meanwhile can be lost though it is acknowledged."""
    namespace = f"t{uuid.uuid4().hex[:10]}"
    topic = full_name(namespace, POINTS)
    reader = Consumer({"bootstrap.servers": kafka, "group.id": "reader"})
    admin = AdminClient({"bootstrap.servers": kafka})

    async def work() -> None:
        ledger = Ledger(kafka, namespace, asyncio.get_running_loop())
        with pytest.raises(Away):
            await ledger.probe()
        admin.create_topics([NewTopic(topic, PARTITIONS)])
        await takes_points(ledger)
        for partition in range(PARTITIONS):
            assert reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=10) == (0, 0)
        assert ledger.partitions == PARTITIONS

    try:
        asyncio.run(work())
    finally:
        reader.close()
