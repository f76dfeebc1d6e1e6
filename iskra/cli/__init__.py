"""The command `iskra`: one module a command, imported only when it is called, so that `--help` is quick."""

from __future__ import annotations

import importlib
import sys

import click

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("iskra.cli.up", "Everything on one machine: broker, store, worker, sinks, gateway."),
    "demo": ("iskra.cli.demo", "Everything, and simulated subjects to watch."),
    "worker": ("iskra.cli.worker", "One worker: points in, verdicts out."),
    "sink": ("iskra.cli.sink", "One sink: topics into ClickHouse, or notifications to people."),
    "gateway": ("iskra.cli.gateway", "HTTP, WebSocket and the live pages."),
    "store": ("iskra.cli.store", "The embedded ClickHouse engine behind HTTP."),
    "reporter": ("iskra.cli.reporter", "Iskra's own figures as points of the subject `iskra`."),
    "publish": ("iskra.cli.publish", "Points from a file into Kafka."),
    "experiment": ("iskra.cli.experiment", "Simulated subjects in closed loop: scenarios, and what must come of them."),
    "evaluate": ("iskra.cli.evaluate", "The engine alone over a file of points."),
    "verify": ("iskra.cli.verify", "Recompute the outputs from the log and compare."),
    "explain": ("iskra.cli.explain", "The evidence of a verdict, recomputed from the log."),
    "topics": ("iskra.cli.topics", "The registry of topics, and what the broker has."),
    "config": ("iskra.cli.config", "Check, compare and publish the configuration."),
    "alerts": ("iskra.cli.alerts", "Alerts: list, acknowledge, resolve; what people were told."),
    "actions": ("iskra.cli.actions", "Automatic actions: list, approve, refuse."),
    "voices": ("iskra.cli.voices", "Voices: who speaks; mute and unmute."),
    "dlq": ("iskra.cli.dlq", "Dead letters: list, show, publish again."),
    "doctor": ("iskra.cli.doctor", "What is wrong with this installation, and how to mend it."),
    "bench": ("iskra.cli.bench", "Benchmarks, each bounded in time, on a stack of its own."),
}
"""Name → module that defines `command`, and the line in the overview."""


class BadInput(click.ClickException):
    """Usage or input that is refused: exit code 2, one line that says what was expected."""

    exit_code = 2


class Unreachable(click.ClickException):
    """A part that is needed cannot be reached: exit code 3, one line that names it."""

    exit_code = 3


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - a signature of click
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - a signature of click
        if cmd_name not in COMMANDS:
            return None
        from iskra.logs import to_stderr  # here, so that `--help` is quick

        to_stderr()
        command: click.Command = importlib.import_module(COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - a signature of click
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iskra")
def root() -> None:
    """Iskra watches the well-being of subjects: metric events in, verdicts out, every one recomputable from the log.

    Exit codes: 0 done, 1 the check said no, 2 usage or bad input, 3 a part that is needed cannot be reached.
    """


def main() -> None:
    """Entry point of the console script; Ctrl-C ends quietly with 130."""
    try:
        code = root.main(standalone_mode=False)  # what a command exits with (click's Exit), else its result: None
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(code if isinstance(code, int) else 0)
