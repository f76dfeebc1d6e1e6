"""`iskra explain`: the evidence of a verdict, recomputed from the log."""

from __future__ import annotations

import click
import msgspec
from confluent_kafka import KafkaException

from iskra.cli import BadInput, Unreachable
from iskra.settings import json_option, kafka_option, namespace_option
from iskra.verification.explain import Explanation, NotAnId, explain
from iskra.verification.reading import BrokerUnreachable, LogReader
from iskra.verification.recompute import UnknownConfiguration


@click.command(
    epilog="Example: iskra explain 3-88417-0-0-b16473ec85fa7cb5", short_help="The evidence of a verdict, recomputed from the log."
)
@click.argument("identity", metavar="ID")
@kafka_option
@namespace_option
@json_option
def command(identity: str, kafka: str, namespace: str, as_json: bool) -> None:
    """Recompute the output ID from the log of its partition and compare it with what stands on its topic: `match`, or the difference.

    Exit code 1 unless they match.
    """
    try:
        log = LogReader(kafka, namespace)
        try:
            found = explain(log, identity)
        finally:
            log.close()
    except BrokerUnreachable as error:
        raise Unreachable(str(error)) from None
    except KafkaException as error:
        raise Unreachable(f"Kafka at {kafka}: {error.args[0].str()}") from None
    except (NotAnId, UnknownConfiguration) as error:
        raise BadInput(str(error)) from None
    click.echo(msgspec.json.encode(found).decode() if as_json else _told(found))
    if not found.match:
        raise click.exceptions.Exit(1)


def _told(found: Explanation) -> str:
    lines = [f"{found.id} on {found.topic or 'no topic'}"]
    value = found.recomputed or found.stands
    if value is not None:
        lines += [f"  {name}: {msgspec.json.encode(part).decode()}" for name, part in value.items()]
    lines.append("recomputed from the log: match" if found.match else f"recomputed from the log: {found.difference}")
    return "\n".join(lines)
