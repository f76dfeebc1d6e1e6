"""`iskra store`: the embedded ClickHouse engine behind HTTP."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import click

from iskra.cli import BadInput
from iskra.settings import CLICKHOUSE_PASSWORD_ENV, CLICKHOUSE_USER, DEFAULT_DATA, clickhouse_password

READER_PASSWORD_ENV = "ISKRA_CLICKHOUSE_READER_PASSWORD"  # noqa: S105 - the name of a variable, not a password


@click.command()
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DATA / "store",
    show_default=True,
    help="Directory of the tables; one process owns it.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8123,
    show_default=True,
    help="Port on loopback; 0: any free one, told in the line `ready`.",
)
@click.option(
    "--memory",
    type=click.IntRange(200, 1_000_000),
    default=600,
    show_default=True,
    metavar="MB",
    help="Memory of the engine; a query that needs more fails.",
)
def command(data: Path, port: int, memory: int) -> None:
    """The ClickHouse engine behind its HTTP interface, for one machine.

    Any ClickHouse client connects as to a server: user `iskra`, password from ISKRA_CLICKHOUSE_PASSWORD (one is made
    up and told on stderr if it is unset). With ISKRA_CLICKHOUSE_READER_PASSWORD set there is a user `reader` too, for
    people: it can only read tables.

    Example: ISKRA_CLICKHOUSE_PASSWORD=secret iskra store --data .iskra/store --port 8123
    """
    from iskra.store import server
    from iskra.store.locking import DirectoryError

    password = clickhouse_password()
    if not password:
        password = secrets.token_urlsafe(16)
        click.echo(f"{CLICKHOUSE_PASSWORD_ENV} is not set; the password of this run is {password}", err=True)
    settings = server.Settings(
        data=data,
        port=port,
        user=CLICKHOUSE_USER,
        password=password,
        reader_password=os.environ.get(READER_PASSWORD_ENV, ""),
        memory=memory << 20,
    )
    try:
        server.run(settings)
    except (DirectoryError, server.PortTaken) as error:
        raise BadInput(str(error)) from None
