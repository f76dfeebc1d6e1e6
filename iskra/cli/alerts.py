"""`iskra alerts …`: what was told about alerts, and what a person does about them."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from iskra.cli.commanding import act, by_id, instant, reading, tell_those_open, who_and_why, whose
from iskra.operations import Wanted, alerts
from iskra.settings import DEFAULT_DATA, json_option, kafka_option, namespace_option
from schemas.commands import AcknowledgeAlert, ResolveAlert
from schemas.events import AlertEvent
from schemas.topics import ALERTS


@click.group()
def command() -> None:
    """Alerts and who was told about them.

    Example: iskra alerts inbox --last 20
    """


@command.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ISKRA_DATA",
    default=DEFAULT_DATA,
    show_default=True,
    metavar="DIR",
    help="Data directory of the notifier.",
)
@namespace_option
@click.option("--last", type=click.IntRange(1, 1_000_000), default=50, show_default=True, help="So many of the latest messages.")
@json_option
def inbox(data: Path, namespace: str, last: int, as_json: bool) -> None:
    """Messages of the local inbox, where notifications go as Iskra comes (config/notify.yml says what else).

    Example: iskra alerts inbox --last 20 --json
    """
    from sinks.notify.adapters.inbox import file_of, read

    messages = list(read(file_of(data, namespace)))[-last:]
    if as_json:
        click.echo(msgspec.json.encode(messages).decode())
        return
    if not messages:
        click.echo(f"no messages in {file_of(data, namespace)}", err=True)
    for message in messages:
        when = instant(message["due"])
        mark = "over" if message["kind"] == "resolve" else message["priority"]
        click.echo(f"{when}  {mark:4}  {message['channel']} → {message['role']} ({message['who']})  {message['summary']}")
        click.echo(f"{'':27}alert {message['alert_id']}")


@command.command("list", epilog="Example: iskra alerts list --subject alpha --all")
@whose
@click.option("--all", "everything", is_flag=True, help="Also those that are resolved.")
@kafka_option
@namespace_option
@json_option
def list_(tenant: str | None, subject: str | None, everything: bool, kafka: str, namespace: str, as_json: bool) -> None:
    """Alerts that are open, oldest first: id, state, priority, whose, value and bound, step of the chain."""
    found = reading(lambda: alerts(kafka, namespace, Wanted(tenant, subject)))
    tell_those_open(found, "alert", everything, as_json, _line)


@command.command("ack", epilog='Example: iskra alerts ack 0-2230-1-1-7e31… --why "on it"')
@click.argument("alert_id", metavar="ID")
@who_and_why
@kafka_option
@namespace_option
@json_option
def acknowledge(alert_id: str, who: str, why: str, kafka: str, namespace: str, as_json: bool) -> None:
    """Take the alert ID: its chain stops, nobody else is told."""
    event = _find(alert_id, kafka, namespace)
    said = AcknowledgeAlert(tenant=event.tenant, subject=event.subject, who=who, why=why, alert_id=alert_id)
    act(kafka, namespace, said, ALERTS, as_json, _line)


@command.command("resolve", epilog='Example: iskra alerts resolve 0-2230-1-1-7e31… --why "known, harmless"')
@click.argument("alert_id", metavar="ID")
@who_and_why
@kafka_option
@namespace_option
@json_option
def resolve(alert_id: str, who: str, why: str, kafka: str, namespace: str, as_json: bool) -> None:
    """End the alert ID; it opens again only if its metric worsens, or recovers and fails again."""
    event = _find(alert_id, kafka, namespace)
    said = ResolveAlert(tenant=event.tenant, subject=event.subject, who=who, why=why, alert_id=alert_id)
    act(kafka, namespace, said, ALERTS, as_json, _line)


def _find(alert_id: str, kafka: str, namespace: str) -> AlertEvent:
    return by_id(reading(lambda: alerts(kafka, namespace, Wanted())), alert_id, "alert", "alert_id", namespace)


def _line(event: AlertEvent) -> str:
    return (
        f"{event.alert_id:<32} {event.state:<13} {event.priority}  {event.tenant}/{event.subject} {event.metric} "
        f"({event.kind}){_measured(event)}  step {event.step}, since {instant(event.since)}"
    )


def _measured(event: AlertEvent) -> str:
    """The value with its bound, and of which mean it is; a crisis may be one of the mean of the last seconds alone."""
    value, bound = event.value, event.threshold
    if value is None:
        return "" if bound is None else f" (bound {bound:g})"
    of = f"{event.window_ms / 1000:g} s {event.statistic} " if event.statistic is not None and event.window_ms is not None else ""
    if bound is None:
        return f"  {of}{value:.3f}"
    within = event.side is not None and not (value < bound if event.side == "low" else value > bound)
    if within and event.kind == "slo" and event.priority == "P0" and event.state != "resolved":
        return f"  mean of the last seconds {'under' if event.side == 'low' else 'over'} the bound {bound:g} ({of}{value:.3f})"
    return f"  {of}{value:.3f} (bound {bound:g})"
