"""`iskra sink …`: topics into other systems."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import click

from iskra.cli import BadInput
from iskra.config_files import ConfigError, load
from iskra.settings import (
    CLICKHOUSE_USER,
    DEFAULT_DATA,
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


config_option = click.option(
    "--config", type=click.Path(exists=True, file_okay=False, path_type=Path), default=None, help="Directory of the configuration."
)


@command.command()
@kafka_option
@clickhouse_option
@namespace_option
@metrics_port_option
@metrics_host_option
@config_option
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


@command.command()
@kafka_option
@namespace_option
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ISKRA_DATA",
    default=DEFAULT_DATA,
    show_default=True,
    metavar="DIR",
    help="Directory of the local inbox.",
)
@metrics_port_option
@metrics_host_option
@config_option
@click.option("--instance-id", default=socket.gethostname, metavar="NAME", help="Name of this notifier; several share the partitions.")
def notify(kafka: str, namespace: str, data: Path, metrics_port: int, metrics_host: str, config: Path | None, instance_id: str) -> None:
    """Who is to be told about an alert is told: steps of escalation over Slack, PagerDuty, e-mail, webhooks.

    Where channels lead stands in notify.yml of the configuration; as it comes, in the log and the local inbox. What was
    sent and what failed stands on the topic escalations.events. The broker may be away for as long as it likes.

    Example: ISKRA_SLACK_URL=https://hooks.slack.com/… iskra sink notify --config config
    """
    import uvloop
    from confluent_kafka import KafkaException

    from iskra import notify_config
    from sinks.notify.adapters.inbox import file_of
    from sinks.notify.notifier import run
    from sinks.notify.settings import Settings

    try:
        loaded = notify_config.load(config)
        secrets = notify_config.secrets(loaded)
    except ConfigError as error:
        raise BadInput(str(error)) from None
    settings = Settings(
        kafka=kafka,
        namespace=namespace,
        live=namespace == LIVE_NAMESPACE,
        instance=instance_id,
        config=loaded,
        secrets=secrets,
        inbox=file_of(data, namespace),
        metrics_host=metrics_host,
        metrics_port=metrics_port,
    )
    try:
        uvloop.run(run(settings))
    except KafkaException as error:
        sys.exit(f"Kafka: {error.args[0].str()}")
    except OSError as error:
        raise BadInput(f"--metrics-port: {error}") from None
