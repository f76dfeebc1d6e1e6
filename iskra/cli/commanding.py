"""Options and answers that commands share: who acts, why, on what, when, and what came of it."""

from __future__ import annotations

import datetime as dt
import getpass
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec
import orjson

from iskra.cli import BadInput, Unreachable
from iskra.client import ClientError
from iskra.commands import ANSWER_S, Answer, publish
from iskra.operations import OVER
from schemas.commands import Command
from schemas.points import parse_ts

T = TypeVar("T")


def whose(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--tenant` and `--subject` as filters."""
    function = click.option("--subject", metavar="NAME", help="Of this subject.")(function)
    return click.option("--tenant", metavar="NAME", help="Of this tenant.")(function)


def who_and_why(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--who` and `--why`, which every command carries."""
    function = click.option("--why", default="", metavar="TEXT", help="Why; it stands on the record.")(function)
    return click.option("--who", default=_login, show_default="your login name", metavar="NAME", help="Who acts.")(function)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def reading(read: Callable[[], T]) -> T:
    """What `read` gives, with the broker's errors as exit code 3."""
    try:
        return read()
    except ClientError as error:
        raise Unreachable(str(error)) from None


def act(kafka: str, namespace: str, said: Command, topic: str, as_json: bool, tell: Callable[[Any], str]) -> None:
    """Publishes a command and tells what came of it; exit 1 where it was refused, 3 where no worker answered."""
    answer: Answer = reading(lambda: publish(kafka, namespace, said, topic))
    if as_json:
        print_json(
            {
                "partition": answer.place.partition,
                "offset": answer.place.offset,
                "outputs": [{"id": message.id, "value": msgspec.to_builtins(message.value)} for message in answer.outputs],
                "refused": answer.refused,
            }
        )
    elif answer.refused is not None:
        click.echo(f"refused: {answer.refused}", err=True)
    for message in () if as_json else answer.outputs:
        click.echo(tell(message.value))
    if not answer.answered:
        place = answer.place
        raise Unreachable(
            f"the command stands in the log (partition {place.partition}, offset {place.offset}), "
            f"but no worker has answered within {ANSWER_S:g} s"
        )
    if answer.refused is not None:
        sys.exit(1)


def tell_those_open(found: list[T], what: str, everything: bool, as_json: bool, line: Callable[[T], str]) -> None:
    """Lists actions or alerts (`what`) by a line each; those whose life is over only where `everything` is asked for."""
    shown = [event for event in found if everything or getattr(event, "state", None) not in OVER]
    if as_json:
        print_json(msgspec.to_builtins(shown))
        return
    for event in shown:
        click.echo(line(event))
    if not shown:
        click.echo(f"no {'' if everything else 'open '}{what}s", err=True)


def by_id(found: list[T], id_: str, what: str, field: str, namespace: str) -> T:
    """The one of `found` whose `field` is `id_`; exit code 2 where there is none."""
    for one in found:
        if getattr(one, field) == id_:
            return one
    raise BadInput(f"{what}s: {id_}: expected the id of an {what} in namespace {namespace}; see `iskra {what}s list --all`")


def time_option(text: str | None, option: str) -> int | None:
    """Epoch ms from the value of an option: RFC 3339 with a zone, or epoch milliseconds; exit code 2 where it is neither."""
    if text is None:
        return None
    try:
        return parse_ts(int(text) if text.isascii() and text.isdigit() else text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None


def instant(ms: int) -> str:
    """A time for people, UTC; one beyond the calendar as it is."""
    try:
        return f"{dt.datetime.fromtimestamp(ms / 1000, dt.UTC):%Y-%m-%d %H:%M:%S}Z"
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def print_json(document: Any) -> None:
    """One document on stdout."""
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
