"""What the producer makes of the client library's answers, each of them at a chosen moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from iskra.client import NotAcknowledged, Producer
from iskra.client import producer as module
from tests.store.process import until

TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)
GONE = KafkaError(KafkaError._UNKNOWN_TOPIC)


class Library:
    """The client library: keeps what it is given, and answers when told to, in `poll`.

    `refuses`: what `produce` raises; `answers`: the answers to come, in order (None: acknowledged).
    """

    def __init__(self) -> None:
        self.given: list[bytes] = []
        self.refuses: KafkaError | None = None
        self.answers: list[KafkaError | None] = []
        self._waiting: list[Callable[[KafkaError | None, Any], None]] = []
        self._told = threading.Event()

    def produce(self, _topic: str, *, value: bytes, on_delivery: Callable[[KafkaError | None, Any], None], **_: Any) -> None:
        if self.refuses is not None:
            raise KafkaException(self.refuses)
        self.given.append(value)
        self._waiting.append(on_delivery)

    def poll(self, seconds: float) -> None:
        if self.answers and self._waiting:
            self._waiting.pop(0)(self.answers.pop(0), None)
        else:
            self._told.wait(min(seconds, 0.001))

    def purge(self, **_: Any) -> None: ...


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    one = Library()
    monkeypatch.setattr(module, "KafkaProducer", lambda *_, **__: one)
    monkeypatch.setattr(module, "partition_count", lambda *_: 1)
    return one


@pytest.fixture
def producer(library: Library) -> Iterator[Producer]:
    """A message for each point; what waits is given up after a minute."""
    assert library.given == []
    one = Producer("nowhere", batch_points=1, linger_ms=1, delivery_timeout=60)
    yield one
    with suppress(NotAcknowledged):
        one.close(0.0)


def five(producer: Producer) -> None:
    for value in range(5):
        producer.send("alpha", "load", float(value))


def values(error: NotAcknowledged) -> list[float]:
    return [point.value for point in error.points]


def test_the_first_goes_alone_and_the_others_after_it(library: Library, producer: Producer) -> None:
    """One message until it is acknowledged, then all, in their order."""
    five(producer)
    assert len(library.given) == 1
    library.answers = [None] * 5
    producer.flush()
    assert [message.split(b":")[3].split(b",")[0] for message in library.given] == [b"0.0", b"1.0", b"2.0", b"3.0", b"4.0"]
    assert (producer.acknowledged, producer.outstanding) == (5, 0)


def test_a_first_that_is_refused_gives_way_to_the_next(library: Library, producer: Producer) -> None:
    """It is named, and the others are not lost with it."""
    five(producer)
    library.answers = [TIMED_OUT, None, None, None, None]
    with pytest.raises(NotAcknowledged) as error:
        producer.flush()
    assert (values(error.value), error.value.pending) == ([0.0], False)
    assert (producer.acknowledged, producer.outstanding) == (4, 0)


def test_what_the_library_refuses_at_once_is_named_and_the_rest_goes_on(library: Library, producer: Producer) -> None:
    """The topic is gone when what waited is to go, and there again later: nothing stands still."""
    five(producer)
    library.refuses = GONE
    library.answers = [GONE]
    until(lambda: producer.given_up == 5, "what waited is given up")
    producer.send("alpha", "load", 5.0)
    until(lambda: producer.given_up == 6, "what comes meanwhile, too")
    library.refuses = None
    library.answers = [None]
    producer.send("alpha", "load", 6.0)
    with pytest.raises(NotAcknowledged) as error:
        producer.flush()
    assert values(error.value) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert (producer.acknowledged, producer.outstanding) == (1, 0)


def test_what_waits_behind_a_first_is_named_at_the_end(library: Library, producer: Producer) -> None:
    """A close without any answer gives all of it back, also what was never handed over."""
    five(producer)
    with pytest.raises(NotAcknowledged) as error:
        producer.close(0.05)
    assert (values(error.value), error.value.pending) == ([0.0, 1.0, 2.0, 3.0, 4.0], False)
    assert len(library.given) == 1


def test_what_waited_for_the_delivery_time_is_given_up_with_the_first(library: Library) -> None:
    """A partition without a leader gives its points back in twice that time."""
    producer = Producer("nowhere", batch_points=1, linger_ms=1, delivery_timeout=0.0)
    five(producer)
    library.answers = [TIMED_OUT]
    with pytest.raises(NotAcknowledged) as error:
        producer.close()
    assert values(error.value) == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert len(library.given) == 1
