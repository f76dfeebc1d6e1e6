"""`iskra dlq`: dead letters: list, show, publish again."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import click
import msgspec

from iskra.cli import BadInput, Unreachable
from iskra.cli.commanding import instant, print_json, time_option
from iskra.client import ClientError
from iskra.dlq import Letter, Redriver, Wanted, letters
from iskra.settings import json_option, kafka_option, namespace_option
from schemas.durations import parse_duration

_SHOWN_BYTES = 4096
"""Of the refused bytes `show` prints so many."""


def _since(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """A duration before now, or a time: epoch ms."""
    if text is None:
        return None
    try:
        return time.time_ns() // 1_000_000 - parse_duration(text)
    except ValueError:
        pass
    try:
        return time_option(text, "--since")
    except BadInput:
        raise click.BadParameter(f"expected a duration such as 2h, or RFC 3339 with a zone, got {text!r}") from None


def _filters(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--since", callback=_since, metavar="T", help="Refused at or after: RFC 3339, or a duration before now (2h)."),
        click.option("--subject", metavar="NAME", help="Of this subject."),
        click.option("--tenant", metavar="NAME", help="Of this tenant."),
        click.option("--reason", metavar="R", help="Refused for this reason, e.g. invalid, too_old, wrong_partition, engine_error."),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Dead letters: what was refused, why, and its bytes. Nothing is dropped silently; after a fix, publish it again.

    Example: iskra dlq list --since 2h
    """


@command.command("list", epilog="Example: iskra dlq list --reason too_old --since 2h")
@_filters
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The latest so many.")
@kafka_option
@namespace_option
@json_option
def list_(
    reason: str | None, tenant: str | None, subject: str | None, since: int | None, limit: int, kafka: str, namespace: str, as_json: bool
) -> None:
    """The letters, oldest first: id, time, reason, whose, detail."""
    found = _find(kafka, namespace, Wanted(reason=reason, tenant=tenant, subject=subject, since=since), limit)
    if as_json:
        print_json([_document(letter) for letter in found])
        return
    for letter in found:
        told = letter.letter
        whose = "/".join(name for name in (told.tenant, told.subject, told.metric) if name) or "unknown"
        click.echo(f"{letter.id:<24} {instant(letter.ts)}  {told.reason:<16} {whose}: {told.detail}")
    if not found:
        click.echo("no dead letters", err=True)


@command.command("show", epilog="Example: iskra dlq show 0-1234-0-0-dead")
@click.argument("id_", metavar="ID")
@kafka_option
@namespace_option
@json_option
def show(id_: str, kafka: str, namespace: str, as_json: bool) -> None:
    """One letter with its bytes, and whether its point was published again."""
    [letter] = _by_ids(kafka, namespace, [id_])
    try:
        with Redriver(kafka, namespace) as redriver:
            again = bool(redriver.redriven([letter]))
    except ClientError as error:
        raise Unreachable(str(error)) from None
    if as_json:
        print_json({**_document(letter), "published_again": again})
        return
    told = letter.letter
    for name, value in (
        ("id", letter.id),
        ("refused", instant(letter.ts)),
        ("reason", told.reason),
        ("detail", told.detail),
        ("tenant", told.tenant),
        ("subject", told.subject),
        ("metric", told.metric),
        ("record", f"{told.topic}, partition {told.partition}, offset {told.offset}, item {told.index}"),
        ("again", "its point was published again" if again else f"not published again (iskra dlq redrive {letter.id})"),
    ):
        if value is not None:
            click.echo(f"{name:<8} {value}")
    raw = letter.raw
    click.echo(f"bytes    {len(raw)}")
    click.echo(_readable(raw[:_SHOWN_BYTES]) + ("…" if len(raw) > _SHOWN_BYTES else ""))


@command.command("redrive", epilog="Example: iskra dlq redrive --reason wrong_partition --dry-run")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_filters
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--again", is_flag=True, help="Also those that were published again before.")
@kafka_option
@namespace_option
@json_option
def redrive(
    ids: tuple[str, ...],
    reason: str | None,
    tenant: str | None,
    subject: str | None,
    since: int | None,
    dry_run: bool,
    again: bool,
    kafka: str,
    namespace: str,
    as_json: bool,
) -> None:
    """Publish letters' points again, as new records with the header `redrive` = id; each once, however often it is asked for.

    By ids, or by --reason (and other filters). A point that is refused once more gets a new letter. Exit 1 if one
    of them cannot be published.
    """
    if bool(ids) == (reason is not None):
        raise BadInput("dlq redrive: expected ids, or --reason R; see `iskra dlq list`")
    if ids:
        found = _by_ids(kafka, namespace, list(ids))
    else:
        found = _find(kafka, namespace, Wanted(reason=reason, tenant=tenant, subject=subject, since=since), None)
    try:
        with Redriver(kafka, namespace) as redriver:
            done = redriver.redrive(found, dry_run=dry_run, again=again)
    except ClientError as error:
        raise Unreachable(str(error)) from None
    counts: dict[str, int] = {}
    for item in done:
        counts[item.outcome] = counts.get(item.outcome, 0) + 1
    if as_json:
        print_json({"counts": counts, "letters": msgspec.to_builtins(done)})
    else:
        for item in done:
            click.echo(f"{item.id:<24} {item.outcome}: {item.detail}")
        click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.items()) or "no dead letters", err=True)
    if "cannot" in counts:
        sys.exit(1)


def _find(kafka: str, namespace: str, wanted: Wanted, limit: int | None) -> list[Letter]:
    try:
        return letters(kafka, namespace, wanted, limit)
    except ClientError as error:
        raise Unreachable(str(error)) from None


def _by_ids(kafka: str, namespace: str, ids: list[str]) -> list[Letter]:
    found = {letter.id: letter for letter in _find(kafka, namespace, Wanted(ids=frozenset(ids)), None)}
    for id_ in ids:
        if id_ not in found:
            raise BadInput(f"dlq: {id_}: expected the id of a dead letter in namespace {namespace}; see `iskra dlq list`")
    return [found[id_] for id_ in dict.fromkeys(ids)]


def _document(letter: Letter) -> dict[str, Any]:
    return {"id": letter.id, "ts": letter.ts, **msgspec.to_builtins(letter.letter)}


def _readable(raw: bytes) -> str:
    """Text as it is, without control characters that a terminal would obey; anything else as hex."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw.hex(" ")
    return "".join(char if char.isprintable() or char == "\n" else repr(char)[1:-1] for char in text)
