"""Commands: records of the points topic (header `kind: command`) by which people and subjects act, with who and why.

A command is keyed `tenant/subject` as the subject's points are, so that it stands in order among them.
"""

from __future__ import annotations

import msgspec

from schemas.points import BadPoint

MAX_TEXT = 1024


class _Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="command"):
    """Common to all: `who` acts and `why`; `ts` (ms) is only told, the log's order counts."""

    tenant: str = "default"
    subject: str
    who: str
    why: str = ""
    ts: int | None = None


class AcknowledgeAlert(_Command, frozen=True, tag="acknowledge_alert"):
    """A person takes an alert: its chain stops."""

    alert_id: str


class ResolveAlert(_Command, frozen=True, tag="resolve_alert"):
    """A person ends an alert; it opens again only if its metric worsens or recovers and fails again."""

    alert_id: str


class ApproveAction(_Command, frozen=True, tag="approve_action"):
    """A person passes an action that the gate holds for approval."""

    action_id: str


class RefuseAction(_Command, frozen=True, tag="refuse_action"):
    """A person refuses an action that the gate holds for approval."""

    action_id: str


class AcknowledgeAction(_Command, frozen=True, tag="acknowledge_action"):
    """The subject's side has taken up an action that was dispatched."""

    action_id: str


class AcknowledgeVoice(_Command, frozen=True, tag="acknowledge_voice"):
    """The subject's side has done the response actions of a voice."""

    voice: str


class MuteVoice(_Command, frozen=True, tag="mute_voice"):
    """Isolates a voice of the subject: it falls silent and is not activated until it is unmuted."""

    voice: str


class UnmuteVoice(_Command, frozen=True, tag="unmute_voice"):
    """Ends the isolation of a voice."""

    voice: str


Command = AcknowledgeAlert | ResolveAlert | ApproveAction | RefuseAction | AcknowledgeAction | AcknowledgeVoice | MuteVoice | UnmuteVoice

_DECODER = msgspec.json.Decoder(Command)
_ENCODER = msgspec.json.Encoder()


def encode_command(command: Command) -> bytes:
    """The record's value."""
    return _ENCODER.encode(command)


def decode_command(value: bytes) -> Command:
    """The command in a record's value.

    Raises:
        BadPoint: `bad_command`, with what was expected.
    """
    try:
        command: Command = _DECODER.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadPoint("bad_command", str(error)) from None
    for field in ("tenant", "subject", "who"):
        if not 1 <= len(getattr(command, field)) <= 128:
            raise BadPoint("bad_command", f"{field}: expected 1 to 128 characters")
    if len(command.why) > MAX_TEXT:
        raise BadPoint("bad_command", f"why: expected at most {MAX_TEXT} characters")
    return command
