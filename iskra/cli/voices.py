"""`iskra voices`: who speaks, and isolating a voice."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from iskra.cli.commanding import act, instant, print_json, reading, who_and_why, whose
from iskra.operations import Wanted, voices
from iskra.settings import json_option, kafka_option, namespace_option
from schemas.commands import MuteVoice, UnmuteVoice
from schemas.points import DEFAULT_TENANT
from schemas.topics import VOICES


@click.group()
def command() -> None:
    """The voices of subjects: who speaks, who waits; mute (isolate) one, or let it speak again.

    Example: iskra voices list
    """


@command.command("list", epilog="Example: iskra voices list --subject alpha")
@whose
@kafka_option
@namespace_option
@json_option
def list_(tenant: str | None, subject: str | None, kafka: str, namespace: str, as_json: bool) -> None:
    """Who speaks, waits and is muted, by subject, with symbol and tonal mode."""
    found = reading(lambda: voices(kafka, namespace, Wanted(tenant, subject)))
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    for state in found:
        speaking = ", ".join(f"{voice} (leads)" if voice == state.leading else voice for voice in state.active) or "nobody"
        more = "".join(f"; {word}: {', '.join(names)}" for word, names in (("queued", state.queued), ("muted", state.muted)) if names)
        mode = "" if state.mode is None else f", mode {state.mode}"
        click.echo(f"{state.tenant}/{state.subject}  {speaking}{more}  (symbol {state.symbol}{mode}, since {instant(state.since)})")
    if not found:
        click.echo("no voice has spoken", err=True)


_subject = click.option("--subject", required=True, metavar="NAME", help="Whose voice.")
_tenant = click.option("--tenant", default=DEFAULT_TENANT, show_default=True, metavar="NAME", help="The subject's tenant.")


@command.command("mute", epilog='Example: iskra voices mute hundun --subject alpha --why "it breaks what we build"')
@click.argument("voice")
@_subject
@_tenant
@who_and_why
@kafka_option
@namespace_option
@json_option
def mute(voice: str, subject: str, tenant: str, who: str, why: str, kafka: str, namespace: str, as_json: bool) -> None:
    """Isolate VOICE of a subject: it falls silent and is not activated until it is unmuted."""
    act(kafka, namespace, MuteVoice(tenant=tenant, subject=subject, who=who, why=why, voice=voice), VOICES, as_json, _line)


@command.command("unmute", epilog="Example: iskra voices unmute hundun --subject alpha")
@click.argument("voice")
@_subject
@_tenant
@who_and_why
@kafka_option
@namespace_option
@json_option
def unmute(voice: str, subject: str, tenant: str, who: str, why: str, kafka: str, namespace: str, as_json: bool) -> None:
    """End the isolation of VOICE."""
    act(kafka, namespace, UnmuteVoice(tenant=tenant, subject=subject, who=who, why=why, voice=voice), VOICES, as_json, _line)


def _line(event: Any) -> str:
    return f"{event.tenant}/{event.subject}  {event.voice} {event.event}; active now: {', '.join(event.active) or 'nobody'}"
