"""`iskra alerts …`: what was told about alerts, and what a person does about them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click
import msgspec

from iskra.settings import DEFAULT_DATA, json_option, namespace_option


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
        when = dt.datetime.fromtimestamp(message["due"] / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
        mark = "over" if message["kind"] == "resolve" else message["priority"]
        click.echo(f"{when}  {mark:4}  {message['channel']} → {message['role']} ({message['who']})  {message['summary']}")
        click.echo(f"{'':27}alert {message['alert_id']}")
