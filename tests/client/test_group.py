"""A member of a group while its partitions come and go: the rebalance at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from iskra.client import ClientError, Consumer, Unreachable
from iskra.client import consumer as module
from schemas.topics import LIVE_NAMESPACE, POINTS, full_name

TOPIC = full_name(LIVE_NAMESPACE, POINTS)


class Record:
    """A record of the points topic, as the client library gives it; with an error, what it gives in place of one."""

    def __init__(self, partition: int, offset: int, error: KafkaError | None = None) -> None:
        self.partition = lambda: partition
        self.offset = lambda: offset
        self.error = lambda: error
        self.topic = lambda: TOPIC
        self.key = lambda: b"default/a"
        self.headers = lambda: None
        self.timestamp = lambda: (1, 5)
        self.value = lambda: b'{"subject":"a","metric":"load","value":1.0,"ts":5}'


class Library:
    """The client library: gives the records it was given; takes the partitions `gone` away while a poll is under way."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.others: list[Record] = []
        self.gone: list[TopicPartition] = []
        self.refuses: KafkaError | None = None
        self.commits: list[list[tuple[int, int]]] = []
        self._revoked: Callable[[Any, list[TopicPartition]], None]

    def subscribe(self, _topics: list[str], on_revoke: Callable[[Any, list[TopicPartition]], None]) -> None:
        self._revoked = on_revoke

    def poll(self, _seconds: float) -> Record | None:
        return self.records.pop(0) if self.records else None

    def consume(self, _most: int, _seconds: float) -> list[Record]:
        if self.gone:
            self._revoked(self, self.gone)
            self.gone = []
        others, self.others = self.others, []
        return others

    def commit(self, *, offsets: list[TopicPartition], **_: Any) -> list[TopicPartition]:
        if self.refuses is not None:
            raise KafkaException(self.refuses)
        self.commits.append([(place.partition, place.offset) for place in offsets])
        return offsets

    def close(self) -> None: ...


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    one = Library()
    monkeypatch.setattr(module, "KafkaConsumer", lambda *_, **__: one)
    monkeypatch.setattr(module, "partition_count", lambda *_: 2)
    return one


def test_what_goes_to_another_in_the_midst_of_a_poll_is_the_other_s(library: Library) -> None:
    """It is not handed out, and its place is never committed over the other's."""
    library.records = [Record(0, 100), Record(1, 7)]
    library.gone = [TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)]
    with Consumer("nowhere", POINTS, group="g") as consumer:
        message = consumer.poll(1.0)
        assert message is not None
        assert message.id == "1-7-0"
        consumer.commit()
    assert library.commits == [[(1, 8)]]


def test_a_place_is_committed_once(library: Library) -> None:
    """And again only if the broker did not take it."""
    library.records = [Record(0, 100)]
    library.refuses = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)
    with Consumer("nowhere", POINTS, group="g") as consumer:
        assert consumer.poll(1.0) is not None
        with pytest.raises(Unreachable):
            consumer.commit()
        library.refuses = None
        consumer.commit()
        consumer.commit()
    assert library.commits == [[(0, 101)]]


def test_records_behind_an_error_are_not_lost(library: Library) -> None:
    """It is raised in its turn; what came with it is handed out before and after it, and only that is committed."""
    library.records = [Record(0, 100)]
    refused = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    library.others = [Record(1, -1, refused), Record(0, 101)]
    with Consumer("nowhere", POINTS, group="g") as consumer:
        first = consumer.poll(1.0)
        with pytest.raises(ClientError, match=refused.str()):
            consumer.poll(1.0)
        consumer.commit()
        second = consumer.poll(1.0)
        consumer.commit()
    assert [message and message.id for message in (first, second)] == ["0-100-0", "0-101-0"]
    assert library.commits == [[(0, 101)], [(0, 102)]]
