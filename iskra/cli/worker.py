"""`iskra worker`: one worker process."""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import click

from iskra import config_files
from iskra.cli import BadInput
from iskra.settings import FiniteRange, kafka_option, metrics_host_option, metrics_port_option, namespace_option, partitions_option


@click.command()
@kafka_option
@namespace_option
@click.option(
    "--config",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="ISKRA_CONFIG",
    default=None,
    metavar="DIR",
    help="Configuration that this worker stands for; default: the one that comes with Iskra.",
)
@click.option(
    "--instance-id",
    envvar="ISKRA_INSTANCE",
    default=None,
    metavar="ID",
    help="Static membership: a restart takes its partitions back at once.",
)
@click.option("--live/--no-live", default=None, help="Whether old points are refused; by default only in the namespace `iskra`.")
@click.option("--ticks/--no-ticks", default=None, help="Whether this worker appends ticks; by default where it is live.")
@click.option(
    "--checkpoint-every",
    type=FiniteRange(0.1, 3600),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Between checkpoints of a partition.",
)
@metrics_port_option
@metrics_host_option
@partitions_option
def command(
    kafka: str,
    namespace: str,
    directory: Path | None,
    instance_id: str | None,
    live: bool | None,
    ticks: bool | None,
    checkpoint_every: float,
    metrics_port: int,
    metrics_host: str,
    partitions: int,
) -> None:
    """Points in, verdicts out: one member of the worker group of a namespace.

    Waits for a broker or topics that are away. SIGTERM: last checkpoint, then exit 0.

    Example: iskra worker --kafka 127.0.0.1:9092 --namespace iskra --instance-id worker-1
    """
    del partitions  # the topics' own number counts; the option is there so that all processes take the same ones
    from streams.settings import Settings
    from streams.worker import run

    try:
        config = config_files.load(directory)
    except config_files.ConfigError as error:
        raise BadInput(str(error)) from None
    settings = Settings(
        kafka=kafka,
        namespace=namespace,
        config=config,
        instance_id=instance_id,
        live=live,
        ticks=ticks,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        checkpoint_every_s=checkpoint_every,
    )
    try:
        code = run(settings)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise BadInput(f"--metrics-port: port {metrics_port} is in use; choose another, or 0 for none") from None
        raise
    sys.exit(code)
