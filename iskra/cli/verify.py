"""`iskra verify`: recompute the outputs from the log and compare them, id by id."""

from __future__ import annotations

import datetime as dt
from typing import Any

import click
import msgspec
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from iskra.cli import BadInput, Unreachable
from iskra.cli.commanding import instant, time_option
from iskra.settings import CLICKHOUSE_USER, clickhouse_option, clickhouse_password, json_option, kafka_option, namespace_option
from iskra.verification.compare import Range, Report, compare_partition
from iskra.verification.points import count_points
from iskra.verification.reading import BrokerUnreachable, LogReader
from iskra.verification.recompute import Recomputation, UnknownConfiguration
from iskra.verification.store import StoreReader, StoreUnreachable


@click.command(epilog="Example: iskra verify --namespace iskra --json", short_help="Recompute the outputs from the log and compare.")
@kafka_option
@clickhouse_option
@namespace_option
@click.option("--from", "since", metavar="T", help="Compare only what records from this time on caused (RFC 3339 or epoch ms).")
@click.option("--to", "until", metavar="T", help="Compare only what records before this time caused.")
@click.option("--no-store", is_flag=True, help="Leave ClickHouse out.")
@json_option
def command(kafka: str, clickhouse: str, namespace: str, since: str | None, until: str | None, no_store: bool, as_json: bool) -> None:
    """Dump the log of each partition, let the engine alone compute it, and compare with the output topics and ClickHouse.

    Compared is what the workers have committed; what they are at just now may be there or not, but must be right.
    Exit code 1 and the first differences unless all match.

    Once retention has cut the log's beginning, outputs of records that are gone are not looked at. Outputs of subjects that may
    be older than the log, and that the log does not give or gives otherwise, cannot be recomputed: a note counts them, and they
    are no differences. Subjects first heard of when those of before the cut are forgotten (`expire_after`) are compared in full.
    """
    first, last = time_option(since, "--from"), time_option(until, "--to")
    if first is not None and last is not None and first >= last:
        raise BadInput(f"--to: expected a time later than --from, {instant(first)}, got {instant(last)}")
    within = None if first is None and last is None else Range(first or 0, last if last is not None else 1 << 62)
    try:
        report = _verify(kafka, None if no_store else clickhouse, namespace, within)
    except (BrokerUnreachable, StoreUnreachable) as error:
        raise Unreachable(str(error)) from None
    except KafkaException as error:
        raise Unreachable(f"Kafka at {kafka}: {error.args[0].str()}") from None
    except UnknownConfiguration as error:
        raise BadInput(str(error)) from None
    if as_json:
        click.echo(msgspec.json.encode(_told(report)).decode())
    else:
        _print(report)
    if not report.match:
        raise click.exceptions.Exit(1)


def _verify(kafka: str, clickhouse: str | None, namespace: str, within: Range | None) -> Report:
    report = Report(namespace)
    log = LogReader(kafka, namespace)
    store = None if clickhouse is None else StoreReader(clickhouse, CLICKHOUSE_USER, clickhouse_password(), namespace)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    try:
        configurations = log.configurations()
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            for partition in range(log.partitions):
                task = progress.add_task(f"partition {partition}", total=None)

                def told(number: int, task: Any = task, partition: int = partition) -> None:
                    progress.update(task, description=f"partition {partition}: {number:,} records")

                recomputation = Recomputation(namespace, partition, log.partitions, configurations, log.start(partition))
                expected = compare_partition(log, partition, recomputation, report, told, within)
                if store is not None:
                    store.compare(partition, expected, report)
                    if within is None:
                        count_points(log, store, partition, expected, report)
                progress.remove_task(task)
    finally:
        log.close()
        if store is not None:
            store.close()
    return report


def _told(report: Report) -> dict[str, Any]:
    return {
        "result": "match" if report.match else "differs",
        "namespace": report.namespace,
        "records": report.records,
        "outputs": report.outputs,
        "by_topic": report.by_topic,
        "uncertain": report.uncertain,
        "duplicates": report.duplicates,
        "rows": report.rows,
        "points": report.points,
        "differing": report.differing,
        "differences": report.differences,
        "notes": report.notes,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def _print(report: Report) -> None:
    for note in report.notes:
        click.echo(f"note: {note}")
    click.echo(
        f"{report.records:,} records recomputed; {report.outputs:,} outputs had to stand "
        f"({', '.join(f'{topic} {number:,}' for topic, number in sorted(report.by_topic.items())) or 'none'}); "
        f"{report.rows:,} rows and {report.points:,} points in ClickHouse; {report.duplicates:,} delivered twice, equal"
    )
    if report.match:
        click.secho("match", fg="green", bold=True)
        return
    for difference in report.differences:
        click.echo(f"{difference.kind}: {difference.topic} partition {difference.partition} {difference.id}")
        click.echo(f"  expected {difference.expected}\n  found    {difference.found}")
    click.secho(f"{report.differing:,} differ", fg="red", bold=True)
