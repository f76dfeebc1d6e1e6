"""Which of the broker's and the client library's errors are waited out."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException

from iskra.client import Unreachable
from iskra.client.kafka import patiently


@pytest.mark.parametrize("code", [KafkaError._TRANSPORT, KafkaError._DESTROY, KafkaError._TIMED_OUT, KafkaError.NOT_LEADER_FOR_PARTITION])
def test_what_passes_is_asked_again(code: int) -> None:
    """A broken connection, a leader that moves: the next answer counts."""
    asked = 0

    def ask(left: float) -> int:
        nonlocal asked
        assert 0 < left <= 20
        asked += 1
        if asked < 3:
            raise KafkaException(KafkaError(code))
        return 42

    assert patiently(ask, 20.0) == 42


@pytest.mark.parametrize("code", [KafkaError._UNKNOWN_TOPIC, KafkaError._AUTHENTICATION, KafkaError.TOPIC_AUTHORIZATION_FAILED])
def test_what_does_not_pass_is_told_at_once(code: int) -> None:
    """Waiting would not help, so there is one question only."""
    asked = 0

    def ask(left: float) -> int:
        nonlocal asked
        asked += 1
        raise KafkaException(KafkaError(code))

    with pytest.raises(Unreachable):
        patiently(ask, 20.0)
    assert asked == 1


def test_patience_ends_with_the_time() -> None:
    """The last error is the reason that is told."""

    def ask(left: float) -> int:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    with pytest.raises(Unreachable, match=r"within 0\.1 s"):
        patiently(ask, 0.1)
