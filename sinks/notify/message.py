"""What a receiver is told: one record of `escalations.events` that is due, and the words for it."""

from __future__ import annotations

import msgspec

from schemas.events import EscalationEvent

TITLE_CHARACTERS = 200


class Notification(msgspec.Struct, frozen=True):
    """A step that is due. `id` is the record's: the same for every delivery of it, whoever sends it again."""

    id: str
    event: EscalationEvent

    @property
    def title(self) -> str:
        """One line, in the engine's own words: how urgent, what, since when; or that it is over."""
        return self.event.summary[:TITLE_CHARACTERS]

    @property
    def facts(self) -> dict[str, str]:
        """What a person wants to know at once, in order: name → text."""
        event = self.event
        facts = {
            "subject": f"{event.tenant}/{event.subject}",
            "metric": event.metric,
            "level": f"{event.level} {event.priority}",
            "value": "unknown" if event.value is None else f"{event.value:g}",
        }
        if event.threshold is not None:
            facts["threshold"] = f"{event.threshold:g}"
        facts["for"] = f"{event.role} ({event.who}), step {event.step + 1}"
        facts["alert"] = event.alert_id
        return facts

    def body(self) -> bytes:
        """The message as JSON, for receivers of our own format: the record's fields and its id."""
        return b'{"id":' + msgspec.json.encode(self.id) + b"," + msgspec.json.encode(self.event)[1:]
