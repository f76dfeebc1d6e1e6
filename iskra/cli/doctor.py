"""`iskra doctor`: what is wrong with this installation, and how to mend it."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from iskra.settings import DEFAULT_DATA, json_option, namespace_option


@click.command(epilog="Example: iskra doctor --data .iskra")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ISKRA_DATA",
    default=DEFAULT_DATA,
    show_default=True,
    metavar="DIR",
    help="Data directory of the instance; where one runs, its addresses are used.",
)
@click.option("--kafka", envvar="ISKRA_KAFKA", default=None, metavar="HOST:PORT", help="Your Kafka; default: the instance's.")
@click.option("--clickhouse", envvar="ISKRA_CLICKHOUSE", default=None, metavar="URL", help="Your ClickHouse; default: the instance's.")
@namespace_option
@click.option("--config", "config_dir", type=click.Path(path_type=Path), default=None, metavar="DIR", help="Configuration to check.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port that the gateway is to have.")
@click.option("--partitions", type=click.IntRange(1, 1024), default=None, help="Expected count; default: that of the points topic.")
@json_option
def command(
    data: Path,
    kafka: str | None,
    clickhouse: str | None,
    namespace: str,
    config_dir: Path | None,
    port: int,
    partitions: int | None,
    as_json: bool,
) -> None:
    """Look at tools, ports, disk, configuration, running parts, broker, topics, workers, tables; say how to mend what is wrong.

    Of a log whose judging is behind, it is watched for 20 s whether it goes on.

    Exit 0: all is well, 1: something is wrong, 3: a part cannot be reached.
    """
    from iskra.diagnosis import Diagnosis

    diagnosis = Diagnosis(
        data=data, kafka=kafka, clickhouse=clickhouse, namespace=namespace, config=config_dir, port=port, partitions=partitions
    )
    findings = []
    for finding in diagnosis.findings():
        findings.append(finding)
        if not as_json:
            click.echo(f"{'ok   ' if finding.ok else 'WRONG'} {finding.check}: {finding.detail}")
            if finding.mend:
                click.echo(f"      mend: {finding.mend}")
    wrong = [finding for finding in findings if not finding.ok]
    if as_json:
        click.echo(msgspec.json.encode({"ok": not wrong, "findings": findings}).decode())
    if wrong:
        raise click.exceptions.Exit(3 if any(finding.unreachable for finding in wrong) else 1)
