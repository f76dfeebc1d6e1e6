"""`iskra gateway`: HTTP, WebSocket and the live pages, one process."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.app import PortTaken, run
from gateway.settings import Settings
from iskra.cli import BadInput
from iskra.config_files import load
from iskra.settings import CLICKHOUSE_USER, clickhouse_option, clickhouse_password, kafka_option
from schemas.topics import LIVE_NAMESPACE


@click.command(epilog="Example: iskra gateway --kafka 127.0.0.1:9092 --clickhouse http://127.0.0.1:8123 --namespace iskra --port 8080")
@kafka_option
@clickhouse_option
@click.option(
    "--namespace",
    "namespaces",
    envvar="ISKRA_NAMESPACE",
    multiple=True,
    default=(LIVE_NAMESPACE,),
    show_default=True,
    metavar="NAME",
    help="Prefix of the topics that are shown; may be repeated. Points go to the first.",
)
@click.option(
    "--config",
    "config_dir",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Configuration in place of the built-in one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; there is no log-in, so keep it behind a proxy that has one.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
def command(kafka: str, clickhouse: str, namespaces: tuple[str, ...], config_dir: Path | None, host: str, port: int) -> None:
    """HTTP API, WebSocket and the live pages."""
    settings = Settings(
        kafka=kafka,
        clickhouse=clickhouse,
        namespaces=tuple(dict.fromkeys(namespaces)),
        config=load(config_dir),
        host=host,
        port=port,
        clickhouse_user=CLICKHOUSE_USER,
        clickhouse_password=clickhouse_password(),
    )
    try:
        run(settings)
    except PortTaken as error:
        raise BadInput(str(error)) from None
