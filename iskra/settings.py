"""Where the parts are: options, then environment, then defaults of one machine. Secrets come from the environment or a file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from schemas.topics import DEFAULT_PARTITIONS, LIVE_NAMESPACE

DEFAULT_KAFKA = "127.0.0.1:9092"
DEFAULT_CLICKHOUSE = "http://127.0.0.1:8123"
DEFAULT_DATA = Path(".iskra")

PASSWORD_FILE = "clickhouse.password"  # noqa: S105 - the name of a file
"""In the data directory: the embedded store's password, readable by its owner alone."""

CLICKHOUSE_USER = "iskra"
CLICKHOUSE_PASSWORD_ENV = "ISKRA_CLICKHOUSE_PASSWORD"  # noqa: S105 - the name of a variable, not a password
CLICKHOUSE_PASSWORD_FILE_ENV = "ISKRA_CLICKHOUSE_PASSWORD_FILE"  # noqa: S105 - likewise

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def clickhouse_password(data: Path | None = None) -> str:
    """The password of the ClickHouse user: `ISKRA_CLICKHOUSE_PASSWORD`, else the content of the file that
    `ISKRA_CLICKHOUSE_PASSWORD_FILE` names, else that of the instance in `data`, else empty.

    `data` is by default `ISKRA_DATA`, else `.iskra`.
    """
    given = os.environ.get(CLICKHOUSE_PASSWORD_ENV)
    if given is not None:
        return given
    named = os.environ.get(CLICKHOUSE_PASSWORD_FILE_ENV)
    try:
        file = Path(named) if named else (data or Path(os.environ.get("ISKRA_DATA") or DEFAULT_DATA)) / PASSWORD_FILE
        return file.read_text().strip()
    except OSError:
        return ""


kafka_option: Decorator = click.option(
    "--kafka", envvar="ISKRA_KAFKA", default=DEFAULT_KAFKA, show_default=True, metavar="HOST:PORT", help="Kafka bootstrap address."
)
clickhouse_option: Decorator = click.option(
    "--clickhouse",
    envvar="ISKRA_CLICKHOUSE",
    default=DEFAULT_CLICKHOUSE,
    show_default=True,
    metavar="URL",
    help=f"ClickHouse HTTP address; the password comes from {CLICKHOUSE_PASSWORD_ENV}.",
)
namespace_option: Decorator = click.option(
    "--namespace", envvar="ISKRA_NAMESPACE", default=LIVE_NAMESPACE, show_default=True, metavar="NAME", help="Prefix of the topics' names."
)
partitions_option: Decorator = click.option(
    "--partitions",
    envvar="ISKRA_PARTITIONS",
    type=click.IntRange(1, 1024),
    default=DEFAULT_PARTITIONS,
    show_default=True,
    help="Partitions of topics that are created.",
)
metrics_port_option: Decorator = click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port of /metrics and /healthz; 0: none.",
)
metrics_host_option: Decorator = click.option(
    "--metrics-host",
    envvar="ISKRA_METRICS_HOST",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Address of --metrics-port. There is no log-in: beyond loopback only in a network of its own.",
)
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout, nothing else there.")
