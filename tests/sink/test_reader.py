"""Batches of a sink that is behind."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas.topics import POINTS
from sinks.clickhouse.metrics import Metrics
from sinks.clickhouse.reader import Lane, Reader
from tests.sink.helpers import Records, settings

pytestmark = [pytest.mark.kafka, pytest.mark.store]
BLOCK, ARRAY, ARRAYS = 1_000, 100, 60


def test_what_waits_is_taken_block_by_block(kafka: str, store: Any, namespace: str) -> None:
    """However many records the broker gives at once, a batch has a block's rows and the rest of its last record; none is missed."""
    records = Records(kafka, namespace)
    for _ in range(ARRAYS):
        records.points([{"value": 0.5}] * ARRAY, "alpha")
    records.flush()
    stopped = threading.Event()
    few = settings(store, kafka, namespace, block_rows=BLOCK, linger=0.1)
    reader = Reader(few, Lane("points", (POINTS,)), Metrics(CollectorRegistry()), stopped)
    rows: list[int] = []
    try:
        reader.find()
        reader.start({})
        while sum(rows) < ARRAY * ARRAYS:
            batch = reader.poll(lambda: True)
            assert batch is not None
            rows += [count for count, _ in batch.blocks.values()]
    finally:
        stopped.set()
        reader.close()
    assert sum(rows) == ARRAY * ARRAYS
    assert max(rows) < BLOCK + ARRAY
