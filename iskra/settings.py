"""Where the parts are: options, then environment, then defaults of one machine. Secrets come from the environment or a file."""

from __future__ import annotations

import math
import os
import re
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

NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,200}\Z")
"""What Kafka takes in a topic's name, with room for what stands behind it."""

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


class FiniteRange(click.FloatRange):
    """A range of numbers; click's own takes NaN, which is never beyond a bound, and an open one takes infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number that an option was given."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def legal_namespace(_context: click.Context, _option: click.Parameter, value: Any) -> Any:
    """The callback of an option that takes a namespace, or several: refuses, exit code 2, what cannot begin a topic's name."""
    from iskra.cli import BadInput

    for name in (value,) if isinstance(value, str) else value:
        if NAMESPACE.match(name) is None:
            raise BadInput(f"--namespace: expected up to 200 letters, digits, dots, dashes and underscores, got {name!r}")
    return value


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
    "--namespace",
    envvar="ISKRA_NAMESPACE",
    default=LIVE_NAMESPACE,
    show_default=True,
    metavar="NAME",
    callback=legal_namespace,
    help="Prefix of the topics' names.",
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
