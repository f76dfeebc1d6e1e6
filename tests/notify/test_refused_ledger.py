"""A ledger that takes nothing from this process any more."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, KafkaException

from sinks.notify import topic as module
from sinks.notify.settings import LogAdapter, NotifyConfig, Settings
from sinks.notify.topic import FATAL, Topic
from tests.notify.helpers import due


class Refusing:
    """A producer that lost its place in the log for good; a broker cannot be made to do that at will."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def produce(self, *_: object, **__: object) -> None:
        raise KafkaException(KafkaError(FATAL, "fenced", fatal=True))

    def poll(self, _: float) -> int:
        return 0


def test_the_process_ends_so_that_the_next_one_delivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would deliver on and on, and note nothing: whoever came after it would deliver all of it again."""
    monkeypatch.setattr(module, "Producer", Refusing)
    config = NotifyConfig(channels={"slack": ["log"]}, adapters={"log": LogAdapter()})
    settings = Settings(kafka="127.0.0.1:1", namespace="n", live=False, instance="i", config=config, inbox=tmp_path / "inbox")

    async def work() -> None:
        topic = Topic(settings, lambda _: None)
        try:
            await topic.poll()
            topic.write(due(0), "sent", None, lambda _: None)
            with pytest.raises(KafkaException, match="fenced"):
                await topic.poll()
        finally:
            await topic.close()

    asyncio.run(work())
