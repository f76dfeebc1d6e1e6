"""`iskra actions`: automatic actions, and a person's word on those that wait for one."""

from __future__ import annotations

import click

from iskra.cli.commanding import act, by_id, reading, tell_those_open, who_and_why, whose
from iskra.operations import Wanted, actions
from iskra.settings import json_option, kafka_option, namespace_option
from schemas.commands import ApproveAction, RefuseAction
from schemas.events import ActionEvent
from schemas.topics import ACTIONS


@click.group()
def command() -> None:
    """Automatic actions: what was asked for, what Iskriv said, what came of it; approve or refuse what waits for a person.

    Example: iskra actions list
    """


@command.command("list", epilog="Example: iskra actions list --subject alpha --all")
@whose
@click.option("--all", "everything", is_flag=True, help="Also those whose life is over.")
@kafka_option
@namespace_option
@json_option
def list_(tenant: str | None, subject: str | None, everything: bool, kafka: str, namespace: str, as_json: bool) -> None:
    """Actions that are open, oldest first: id, state, whose, action, and the reason of the review."""
    found = reading(lambda: actions(kafka, namespace, Wanted(tenant, subject)))
    tell_those_open(found, "action", everything, as_json, _line)


@command.command("approve", epilog='Example: iskra actions approve 2-1047-0-1-9c0a… --why "seen, it is quiet"')
@click.argument("action_id", metavar="ID")
@who_and_why
@kafka_option
@namespace_option
@json_option
def approve(action_id: str, who: str, why: str, kafka: str, namespace: str, as_json: bool) -> None:
    """Pass the action ID, which waits for approval. The gate looks once more at everything else, then it is dispatched."""
    event = _find(action_id, kafka, namespace)
    said = ApproveAction(tenant=event.tenant, subject=event.subject, who=who, why=why, action_id=action_id)
    act(kafka, namespace, said, ACTIONS, as_json, _line)


@command.command("refuse", epilog='Example: iskra actions refuse 2-1047-0-1-9c0a… --why "not on a Friday"')
@click.argument("action_id", metavar="ID")
@who_and_why
@kafka_option
@namespace_option
@json_option
def refuse(action_id: str, who: str, why: str, kafka: str, namespace: str, as_json: bool) -> None:
    """Refuse the action ID, which waits for approval."""
    event = _find(action_id, kafka, namespace)
    said = RefuseAction(tenant=event.tenant, subject=event.subject, who=who, why=why, action_id=action_id)
    act(kafka, namespace, said, ACTIONS, as_json, _line)


def _find(action_id: str, kafka: str, namespace: str) -> ActionEvent:
    return by_id(reading(lambda: actions(kafka, namespace, Wanted())), action_id, "action", "action_id", namespace)


def _line(event: ActionEvent) -> str:
    review = f"  {event.review.by}: {event.review.reason}" if event.review is not None else ""
    return f"{event.action_id:<32} {event.state:<17} {event.tenant}/{event.subject}  {event.action} (strength {event.strength}){review}"
