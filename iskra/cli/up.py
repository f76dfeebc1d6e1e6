"""`iskra up`: everything on one machine, supervised."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import click
import msgspec

from iskra import config_files, notify_config
from iskra.cli import BadInput, Unreachable
from iskra.settings import DEFAULT_DATA, legal_namespace, partitions_option
from iskra.stack.errors import DataDirError, MissingToolError, PortInUseError, StackError, TopicMismatchError
from iskra.stack.stack import Stack, StackSettings
from schemas.topics import LIVE_NAMESPACE

REFUSED = (DataDirError, MissingToolError, PortInUseError, TopicMismatchError)
"""What the user can mend by another option or by an installation: exit code 2; the others are parts that fail: 3."""


@click.command(epilog="Example: iskra up --data .iskra --port 8080")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ISKRA_DATA",
    default=DEFAULT_DATA,
    show_default=True,
    metavar="DIR",
    help="Broker's log, tables, logs of the parts.",
)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Port of the gateway on loopback.")
@click.option("--kafka", default=None, metavar="HOST:PORT", help="Your Kafka, in place of the embedded one.")
@click.option("--clickhouse", default=None, metavar="URL", help="Your ClickHouse, in place of the embedded engine.")
@click.option(
    "--config",
    "config_dir",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="Configuration in place of the built-in one.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    metavar="NAME",
    callback=legal_namespace,
    help="A namespace beside the live one; may be repeated.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Worker processes that share the live namespace's partitions: for more points than one processor takes.",
)
@partitions_option
def command(
    data: Path,
    port: int,
    kafka: str | None,
    clickhouse: str | None,
    config_dir: Path | None,
    namespaces: tuple[str, ...],
    workers: int,
    partitions: int,
) -> None:
    """Broker, store, worker, sink, notifier, gateway and reporter on this machine, each restarted if it ends.

    Prints one line `ready {json}` with addresses and process ids on stdout. Ctrl-C stops all, in order, losing nothing;
    a second one stops at once.
    """
    if workers > partitions:
        raise BadInput(f"--workers: {workers} workers cannot share {partitions} partitions; fewer of them, or more --partitions")
    names = tuple(dict.fromkeys((LIVE_NAMESPACE, *namespaces)))
    if set(names) & {str(number) for number in range(2, workers + 1)}:
        raise BadInput("--namespace: a number is the name of a worker; choose another")
    try:
        config_files.load(config_dir)
        notify_config.secrets(notify_config.load(config_dir))
    except config_files.ConfigError as error:
        raise BadInput(str(error)) from None
    settings = StackSettings(
        data=data,
        port=port,
        kafka=kafka,
        clickhouse=clickhouse,
        config=config_dir,
        namespaces=names,
        workers=workers,
        partitions=partitions,
    )
    try:
        asyncio.run(_run(Stack(settings)))
    except REFUSED as error:
        raise BadInput(str(error)) from None
    except StackError as error:
        raise Unreachable(str(error)) from None


async def _run(stack: Stack) -> None:
    """Starts the stack, says `ready`, waits for a signal, stops."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()

    def ask() -> None:
        if asked.is_set():
            stack.hurry()
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, ask)
    starting = asyncio.create_task(stack.start())
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.wait({starting})
        return
    await starting
    click.echo(f"ready {msgspec.json.encode(stack.describe()).decode()}")
    await waiting
    await stack.stop()
