"""`iskra topics`: the registry, and what the broker has."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from iskra.cli import Unreachable
from iskra.settings import json_option, kafka_option, namespace_option, partitions_option
from schemas.topics import TOPICS, TopicSpec, full_name


@click.command(epilog="Example: iskra topics --kafka 127.0.0.1:9092")
@kafka_option
@namespace_option
@partitions_option
@click.option("--create", is_flag=True, help="Create those that are missing, with --partitions partitions.")
@click.option("--check", is_flag=True, help="Exit 1 if a topic is absent or differs from the registry, 3 if the broker does not answer.")
@json_option
def command(kafka: str, namespace: str, partitions: int, create: bool, check: bool, as_json: bool) -> None:
    """The registry of topics and, where the broker answers, what it has of them."""
    from iskra.stack import topics
    from iskra.stack.errors import NotReachableError, StackError

    away: str | None = None
    reports: dict[str, topics.TopicReport] = {}
    try:
        if create:
            topics.ensure_topics(kafka, namespace, partitions)
        reports = {report.spec.name: report for report in topics.report(kafka, namespace, timeout=3.0)}
    except NotReachableError as error:
        away = str(error)
        if create or check:
            raise Unreachable(away) from None
    except StackError as error:
        raise click.ClickException(str(error)) from None
    wrong = any(report.findings for report in reports.values())
    if as_json:
        documents = [_document(spec, namespace, reports.get(spec.name)) for spec in TOPICS]
        click.echo(msgspec.json.encode({"namespace": namespace, "broker": kafka if away is None else None, "topics": documents}).decode())
    else:
        for spec in TOPICS:
            click.echo(_text(spec, namespace, reports.get(spec.name)))
        if away is not None:
            click.echo(away, err=True)
    if check and wrong:
        raise click.exceptions.Exit(1)


def _retention(spec: TopicSpec) -> str:
    return "latest of each key" if spec.compacted else f"{spec.retention_ms // 86_400_000} days" if spec.retention_ms >= 0 else "for ever"


def _text(spec: TopicSpec, namespace: str, report: Any) -> str:
    head = f"{full_name(namespace, spec.name):<28} key {spec.key}; keeps {_retention(spec)}. {spec.doc}"
    if report is None:
        return head
    state = "; ".join(report.findings) or f"as registered, {report.partitions} partition{'s' if report.partitions != 1 else ''}"
    return f"{head}\n{'':<28} broker: {state}"


def _document(spec: TopicSpec, namespace: str, report: Any) -> dict[str, Any]:
    document: dict[str, Any] = {
        "name": full_name(namespace, spec.name),
        "short": spec.name,
        "key": spec.key,
        "doc": spec.doc,
        "copartitioned": spec.copartitioned,
        "settings": spec.settings(namespace),
    }
    if report is not None:
        document |= {"partitions": report.partitions, "broker_settings": report.settings, "findings": report.findings}
    return document
