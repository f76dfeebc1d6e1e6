"""`iskra sink …`: topics into other systems."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import click

from iskra import logs
from iskra.cli import BadInput
from iskra.config_files import ConfigError, load
from iskra.settings import (
    CLICKHOUSE_USER,
    clickhouse_option,
    clickhouse_password,
    kafka_option,
    metrics_host_option,
    metrics_port_option,
    namespace_option,
)
from schemas.topics import LIVE_NAMESPACE


@click.group()
def command() -> None:
    """One sink: topics into another system.

    Example: iskra sink clickhouse --kafka 127.0.0.1:9092 --clickhouse http://127.0.0.1:8123
    """


@command.command()
@kafka_option
@clickhouse_option
@namespace_option
@metrics_port_option
@metrics_host_option
@click.option(
    "--config", type=click.Path(exists=True, file_okay=False, path_type=Path), default=None, help="Directory of the configuration."
)
@click.option(
    "--instance-id", default=socket.gethostname, metavar="NAME", help="Name of this sink; a second one under another name stands by."
)
def clickhouse(
    kafka: str, clickhouse: str, namespace: str, metrics_port: int, metrics_host: str, config: Path | None, instance_id: str
) -> None:
    """Points, windows, statuses and dead letters of a namespace into ClickHouse, exactly once.

    Creates and migrates its tables itself. The store or the broker may be away for as long as they like.

    Example: ISKRA_CLICKHOUSE_PASSWORD=secret iskra sink clickhouse --namespace iskra
    """
    logs.to_stderr()
    from sinks.clickhouse.settings import Admission, Settings
    from sinks.clickhouse.sink import run

    try:
        loaded = load(config)
    except ConfigError as error:
        raise BadInput(str(error)) from None
    admission = Admission(
        tenants=None if loaded.tenants is None else frozenset(loaded.tenants),
        ranges={name: metric.values for name, metric in loaded.metrics.items()},
    )
    run(
        Settings(
            kafka=kafka,
            clickhouse=clickhouse,
            user=os.environ.get("ISKRA_CLICKHOUSE_USER", CLICKHOUSE_USER),
            password=clickhouse_password(),
            namespace=namespace,
            live=namespace == LIVE_NAMESPACE,
            instance=instance_id,
            admission=admission,
            metrics_host=metrics_host,
            metrics_port=metrics_port,
        )
    )
