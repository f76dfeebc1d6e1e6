"""`iskra explain`: the evidence of an output, recomputed from the log; and why something did not happen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click
import msgspec
from confluent_kafka import KafkaException

from iskra.cli import BadInput, Unreachable
from iskra.cli.commanding import instant, time_option
from iskra.settings import json_option, kafka_option, namespace_option
from iskra.verification.explain import Explanation, NotAnId, explain
from iskra.verification.reading import BrokerUnreachable, LogReader
from iskra.verification.recompute import UnknownConfiguration
from iskra.verification.why_not import Gate, NotThere, RuleState, WhyNot, why_not

T = TypeVar("T")


@click.command(
    epilog="Examples: iskra explain 3-88417-0-0-b16473ec85fa7cb5; iskra explain --why-not hundun --subject alpha",
    short_help="The evidence of an output, recomputed from the log; or why something did not happen.",
)
@click.argument("identity", metavar="[ID]", required=False)
@click.option(
    "--why-not", "name", metavar="VOICE|ACTION", help="In place of ID: why this voice is silent, or this action was not asked for."
)
@click.option("--subject", metavar="NAME", help="With --why-not: of whom.")
@click.option("--tenant", metavar="NAME", default="default", show_default=True, help="With --why-not: the subject's tenant.")
@click.option("--at", metavar="TIME", help="With --why-not: as the log stood then (RFC 3339 or epoch milliseconds); left out: now.")
@kafka_option
@namespace_option
@json_option
def command(
    identity: str | None, name: str | None, subject: str | None, tenant: str, at: str | None, kafka: str, namespace: str, as_json: bool
) -> None:
    """Recompute the output ID (a status, window, budget, signal, voice, alert, escalation, action or dead letter) from the log
    of its partition and compare it with what stands on its topic: `match`, or the difference. Exit code 1 unless they match.

    With --why-not: the rules of a voice or action with the value of each term, what is nearest to coming true, and which
    gate stops it (cool-down, mute, opponent, limit, refusal), from the subject's state recomputed from the log.
    """
    if (identity is None) == (name is None):
        raise BadInput("expected an ID, or --why-not with --subject")
    if name is not None:
        if subject is None:
            raise BadInput("--subject: expected the name of a subject with --why-not")
        when = time_option(at, "--at")
        answer = _over(kafka, namespace, lambda log: why_not(log, name, tenant, subject, when))
        click.echo(msgspec.json.encode(answer).decode() if as_json else _why_not(answer))
        return
    if subject is not None or at is not None:
        raise BadInput("--subject and --at belong to --why-not")
    found = _over(kafka, namespace, lambda log: explain(log, identity or ""))
    click.echo(msgspec.json.encode(found).decode() if as_json else _told(found))
    if not found.match:
        raise click.exceptions.Exit(1)


def _over(kafka: str, namespace: str, ask: Callable[[LogReader], T]) -> T:
    """What `ask` finds in the log of a namespace.

    Raises:
        Unreachable, BadInput: as their names say.
    """
    try:
        log = LogReader(kafka, namespace)
        try:
            return ask(log)
        finally:
            log.close()
    except BrokerUnreachable as error:
        raise Unreachable(str(error)) from None
    except KafkaException as error:
        raise Unreachable(f"Kafka at {kafka}: {error.args[0].str()}") from None
    except (NotAnId, NotThere, UnknownConfiguration) as error:
        raise BadInput(str(error)) from None


def _told(found: Explanation) -> str:
    lines = [f"{found.id} on {found.topic or 'no topic'}"]
    value = found.recomputed or found.stands
    if value is not None:
        lines += [f"  {name}: {msgspec.json.encode(part).decode()}" for name, part in value.items()]
    lines.append("recomputed from the log: match" if found.match else f"recomputed from the log: {found.difference}")
    return "\n".join(lines)


def _why_not(answer: WhyNot) -> str:
    lines = [answer.verdict, f"  {answer.tenant}/{answer.subject} at {instant(answer.time)}, configuration {answer.config}"]
    for rule in answer.rules:
        lines += _rule(rule)
    lines += [f"  gate: {_gate(gate)}" for gate in answer.gates]
    if answer.uncertain is not None:
        lines.append(f"  uncertain: {answer.uncertain}")
    return "\n".join(lines)


def _rule(rule: RuleState) -> list[str]:
    truth = {True: "holds", False: "does not hold", None: "unknown"}
    lines = [f"  rule [{rule.priority}] {rule.rule}: {truth[rule.holds]}"]
    for term in rule.terms:
        value = "unknown" if term.value is None else f"{term.value:g}"
        lines.append(f"    {'✓' if term.holds else '?' if term.holds is None else '✗'} {term.term}: {value}")
    if rule.nearest is not None:
        lines.append(f"    nearest: {rule.nearest.term}, short by {rule.nearest.short_by:g}")
    return lines + [f"    gate: {_gate(gate)}" for gate in rule.gates]


def _gate(gate: Gate) -> str:
    return f"{gate.kind}: {gate.text}" + ("" if gate.until is None else f" (until {instant(gate.until)})")
