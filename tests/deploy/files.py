"""The deployment's files, read once for all its tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import yaml

from iskra.cli import root

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = ROOT / "docker-compose.yml"
TLS = DEPLOY / "docker" / "compose.tls.yml"
OPERATIONS = ROOT / "docs" / "operations"

_DEFAULT = re.compile(r"\$\{\w+:-([^}]*)\}")


def load(path: Path) -> dict[str, Any]:
    """A compose file with its variables at their defaults."""
    found: dict[str, Any] = yaml.safe_load(_DEFAULT.sub(r"\1", path.read_text(encoding="utf-8")))
    return found


def services() -> dict[str, dict[str, Any]]:
    """The services of docker-compose.yml by name."""
    found: dict[str, dict[str, Any]] = load(COMPOSE)["services"]
    return found


def parsed(arguments: list[str]) -> None:
    """Reads a command line as the real `iskra` does, without running it.

    Raises:
        click.UsageError: it would be refused. click.exceptions.Exit: it asks for help.
    """
    command: click.Command = root
    name, rest = "iskra", list(arguments)
    context: click.Context | None = None
    while isinstance(command, click.Group):
        context = command.make_context(name, rest[:1] if rest[:1] and not rest[0].startswith("-") else rest, parent=context)
        found = command.get_command(context, rest[0])
        if found is None:
            raise click.UsageError(f"no command {rest[0]}")
        command, name, rest = found, rest[0], rest[1:]
    command.make_context(name, rest, parent=context)
