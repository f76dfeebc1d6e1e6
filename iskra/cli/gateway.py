"""`iskra gateway`: HTTP, WebSocket and the live pages, one process."""

from __future__ import annotations

from pathlib import Path

import click

from iskra import config_files
from iskra.cli import BadInput
from iskra.settings import CLICKHOUSE_USER, clickhouse_option, clickhouse_password, kafka_option, legal_namespace
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
    callback=legal_namespace,
    help="Prefix of the topics that are shown; may be repeated. Points go to the first.",
)
@click.option(
    "--config",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ISKRA_CONFIG",
    default=None,
    metavar="DIR",
    help="Configuration until the topic `config` names another; default: the one that comes with Iskra.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on. There is no log-in: beyond loopback put a proxy in front."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port to listen on.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    envvar="ISKRA_ALLOW_HOST",
    metavar="NAME",
    help="A name under which a proxy serves it; may be repeated. On loopback only addresses, localhost and these are answered.",
)
def command(
    kafka: str, clickhouse: str, namespaces: tuple[str, ...], directory: Path | None, host: str, port: int, hosts: tuple[str, ...]
) -> None:
    """HTTP API, WebSocket and the live pages.

    A broker or store that is away is told by /readyz and waited for. SIGTERM: what was taken is flushed, then exit 0.
    """
    from gateway.app import PortTaken, run  # here, so that `--help` is quick
    from gateway.settings import Settings
    from iskra.verification.for_gateway import explainer

    try:
        config = config_files.load(directory)
    except config_files.ConfigError as error:
        raise BadInput(str(error)) from None
    settings = Settings(
        kafka=kafka,
        clickhouse=clickhouse,
        namespaces=tuple(dict.fromkeys(namespaces)),
        config=config,
        host=host,
        port=port,
        hosts=hosts,
        clickhouse_user=CLICKHOUSE_USER,
        clickhouse_password=clickhouse_password(),
        explain=explainer(kafka),
    )
    try:
        run(settings)
    except PortTaken as error:
        raise BadInput(str(error.strerror)) from None
