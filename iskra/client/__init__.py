"""The SDK: publish points and read what Iskra says of them.

    from iskra.client import Consumer, Producer

    with Producer("127.0.0.1:9092") as producer:
        producer.send("alpha", "clarity", 0.81)

    for message in Consumer("127.0.0.1:9092", "slo.status"):
        print(message.value.level, message.value.metric)

What is listed here is the public surface; docs/sdk.md explains it.
"""

import logging

from iskra.client.actor import Actor
from iskra.client.commander import Commander, Place
from iskra.client.consumer import Consumer, Start
from iskra.client.errors import BufferFull, ClientError, InvalidPoint, NotAcknowledged, UnknownTopic, Unreachable, Unreadable
from iskra.client.message import Message, Value
from iskra.client.producer import Producer
from schemas.config import Config
from schemas.events import ActionEvent, AlertEvent, BudgetState, EscalationEvent, SignalsSample, VoiceEvent
from schemas.outputs import DeadLetter, SloStatus, WindowStats
from schemas.points import Point

# a library says nothing unless its user wants to hear it: the logger `iskra.client`
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = [
    "ActionEvent",
    "Actor",
    "AlertEvent",
    "BudgetState",
    "BufferFull",
    "ClientError",
    "Commander",
    "Config",
    "Consumer",
    "DeadLetter",
    "EscalationEvent",
    "InvalidPoint",
    "Message",
    "NotAcknowledged",
    "Place",
    "Point",
    "Producer",
    "SignalsSample",
    "SloStatus",
    "Start",
    "UnknownTopic",
    "Unreachable",
    "Unreadable",
    "Value",
    "VoiceEvent",
    "WindowStats",
]
