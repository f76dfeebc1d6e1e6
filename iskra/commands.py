"""A command with its answer: published, and what the worker says of it."""

from __future__ import annotations

import time
from typing import NamedTuple

from iskra.client import Commander, Consumer, Message, Place
from schemas.commands import Command
from schemas.outputs import DeadLetter
from schemas.topics import DEAD_LETTERS

ANSWER_S = 10.0
"""For a worker to apply a command; one that was killed is back within 6 s."""


class Answer(NamedTuple):
    """What came of a command: outputs that it caused, or the dead letter that refuses it; neither: no worker answered in time."""

    place: Place
    outputs: list[Message]
    refused: str | None

    @property
    def answered(self) -> bool:
        """Whether a worker has applied it."""
        return self.refused is not None or bool(self.outputs)


def publish(kafka: str, namespace: str, said: Command, topic: str) -> Answer:
    """Publishes a command and waits for what comes of it on `topic`, or for the dead letter that refuses it.

    Raises:
        iskra.client.ClientError: the broker does not answer.
    """
    with (
        Consumer(kafka, (topic, DEAD_LETTERS), namespace=namespace, start="end", skip_unreadable=True) as consumer,
        Commander(kafka, namespace=namespace) as by,
    ):
        place = by.send(said)
        outputs: list[Message] = []
        refused: str | None = None
        deadline = time.monotonic() + ANSWER_S
        while not outputs and refused is None and time.monotonic() < deadline:
            message = consumer.poll(0.2)
            # what comes with the answer belongs to it; others' outputs may come without end
            while message is not None and time.monotonic() < deadline:
                if message.id.startswith(place.prefix):
                    if isinstance(message.value, DeadLetter):
                        refused = message.value.detail
                    else:
                        outputs.append(message)
                message = consumer.poll(0)
        return Answer(place, outputs, refused)
