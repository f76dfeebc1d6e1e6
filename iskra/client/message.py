"""Messages as the consumer gives them: a record, or one point of an array, with its place and typed value."""

from __future__ import annotations

from typing import Any

import msgspec

from schemas.config import Config
from schemas.events import ActionEvent, AlertEvent, BudgetState, EscalationEvent, SignalsSample, VoiceEvent
from schemas.messages import MESSAGES
from schemas.outputs import DeadLetter, SloStatus, WindowStats
from schemas.points import Point

Value = (
    Point
    | WindowStats
    | SloStatus
    | BudgetState
    | SignalsSample
    | VoiceEvent
    | AlertEvent
    | EscalationEvent
    | ActionEvent
    | DeadLetter
    | Config
)
"""What a message may hold; which, its topic says."""

_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in MESSAGES.items()}


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One record, or one point of an array.

    Attributes:
        topic: short name. partition, offset: where it stands. index: the point's place in its array, else 0.
        key: `tenant/subject` (`tenant/subject/metric` on `slo.current`, the hash on `config`), empty if it has none.
        id: the output's deterministic id; of a point `partition-offset-index`.
        ts: the record's time, epoch ms.
        value: None where a compacted topic says that the key is gone.
        headers: as they stand on the record, but for those with a null value.
    """

    topic: str
    partition: int
    offset: int
    index: int
    key: str
    id: str
    ts: int
    value: Value | None
    headers: dict[str, bytes]


def decode(topic: str, body: bytes) -> Value:
    """The value of a record of an output topic.

    Raises:
        ValueError, RecursionError: it does not fit the topic's schema.
    """
    value: Any = _DECODERS[topic].decode(body)
    return value  # type: ignore[no-any-return]  # the registry of messages maps names to these very types
