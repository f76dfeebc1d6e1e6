"""What `--help` says."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.testing import CliRunner

from iskra.cli import root


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of a command and of all below it."""
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(below, (*path, name))


def test_every_help_has_an_example() -> None:
    """Of each command, and of each group; the overview has the commands."""
    helps = {path: CliRunner().invoke(root, [*path, "--help"]) for path in _commands(root) if path}
    assert len(helps) > 30
    assert [path for path, result in helps.items() if result.exit_code != 0 or "Example" not in result.output] == []
