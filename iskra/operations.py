"""What stands now, read from the output topics: for `iskra actions`, `voices` and `alerts`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import structlog

from iskra.client import Consumer, Message
from schemas.events import ActionEvent, AlertEvent, VoiceEvent
from schemas.topics import ACTIONS, ALERTS, VOICES

log = structlog.get_logger(__name__)

OVER = ("refused", "effective", "ineffective", "expired", "resolved")
"""States behind which nothing comes any more."""


class Wanted(NamedTuple):
    """Whose; None: everybody's."""

    tenant: str | None = None
    subject: str | None = None

    def fits(self, value: ActionEvent | AlertEvent | VoiceEvent) -> bool:
        """Whether the event is of such a subject."""
        return self.tenant in (None, value.tenant) and self.subject in (None, value.subject)


class VoicesState(msgspec.Struct):
    """Who speaks, who waits and who is isolated in a subject, as of its last event."""

    tenant: str
    subject: str
    active: list[str]
    queued: list[str]
    muted: list[str]
    leading: str | None
    symbol: str
    mode: str | None
    since: int


def messages(kafka: str, namespace: str, topic: str) -> Iterator[Message]:
    """What stands on an output topic, each output once. Foreign records are passed over; a line in the log tells how many.

    Raises:
        iskra.client.ClientError: the broker does not answer, or lacks the topic.
    """
    with Consumer(kafka, topic, namespace=namespace, until_end=True, skip_unreadable=True) as consumer:
        yield from consumer
        if consumer.unreadable:
            log.warning("records that are no outputs of Iskra were passed over", topic=topic, records=consumer.unreadable)


def actions(kafka: str, namespace: str, wanted: Wanted) -> list[ActionEvent]:
    """The latest event of each action, in the order in which they were asked for.

    Raises:
        iskra.client.ClientError: the broker does not answer, or lacks the topic.
    """
    latest: dict[str, ActionEvent] = {}
    for message in messages(kafka, namespace, ACTIONS):
        if isinstance(message.value, ActionEvent) and wanted.fits(message.value):
            latest[message.value.action_id] = message.value
    return list(latest.values())


def alerts(kafka: str, namespace: str, wanted: Wanted) -> list[AlertEvent]:
    """The latest event of each alert, likewise."""
    latest: dict[str, AlertEvent] = {}
    for message in messages(kafka, namespace, ALERTS):
        if isinstance(message.value, AlertEvent) and wanted.fits(message.value):
            latest[message.value.alert_id] = message.value
    return list(latest.values())


def voices(kafka: str, namespace: str, wanted: Wanted) -> list[VoicesState]:
    """The state of each subject's voices, by tenant and subject."""
    found: dict[tuple[str, str], VoicesState] = {}
    for message in messages(kafka, namespace, VOICES):
        event = message.value
        if not isinstance(event, VoiceEvent) or not wanted.fits(event):
            continue
        old = found.get((event.tenant, event.subject))
        muted = [] if old is None else [voice for voice in old.muted if (event.event, event.voice) != ("unmuted", voice)]
        if event.event == "muted" and event.voice not in muted:
            muted.append(event.voice)
        found[event.tenant, event.subject] = VoicesState(
            event.tenant, event.subject, event.active, event.queued, muted, event.leading, event.symbol, event.mode, message.ts
        )
    return [found[key] for key in sorted(found)]
