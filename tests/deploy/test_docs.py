"""Operators' documents: the commands in them are ones that exist, and their links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from schemas.topics import BY_NAME, DAY_MS, DEAD_LETTERS, POINTS
from tests.deploy.files import OPERATIONS, ROOT, parsed, services

DOCUMENTS = sorted(OPERATIONS.glob("*.md"))
_CLI = "docker compose run --rm cli "


def _code(text: str) -> list[str]:
    """What stands in fenced blocks of shell, line by line, and in single backticks."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    return [line.partition(" #")[0].strip() for line in lines] + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def _commands(path: Path) -> list[list[str]]:
    """The command lines of `iskra` in a document, without `iskra`."""
    codes = _code(path.read_text(encoding="utf-8"))
    prefixes = (_CLI, ".venv/bin/iskra ", "iskra ")
    return [shlex.split(code.removeprefix(prefix)) for code in codes for prefix in prefixes if code.startswith(prefix)]


def test_all_are_there() -> None:
    """Backups, deployment, escalation, running, trouble."""
    names = ["backup-and-restore.md", "deployment.md", "escalation.md", "running.md", "troubleshooting.md"]
    assert [path.name for path in DOCUMENTS] == names


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_taken_by_the_real_program(path: Path) -> None:
    """Every `iskra …` in it parses: commands and options exist."""
    commands = _commands(path)
    assert commands
    for arguments in commands:
        moved = [argument.replace("/etc/iskra", str(ROOT / "config")) for argument in arguments]
        try:
            parsed(moved)
        except click.MissingParameter:
            assert len(arguments) == 1, arguments  # named in a sentence, without its argument
        except click.exceptions.Exit:
            assert arguments == ["--help"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_services_in_commands_exist(path: Path) -> None:
    """Names after `docker compose up|restart|logs …` are services."""
    for code in _code(path.read_text(encoding="utf-8")):
        match = re.match(r"docker compose (?:up -d|restart|logs|stop|start)((?: \S+)*)$", code)
        if match:
            names = [word for word in match[1].split() if re.fullmatch(r"[a-z][a-z0-9-]*", word)]
            assert set(names) <= set(services()), code


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_files_exist(path: Path) -> None:
    """Links to other documents, and paths of the project that are named."""
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)", text):
        assert target.startswith("http") or (path.parent / target).exists(), target
    for name in re.findall(r"`((?:deploy|tests|config|docs)/[\w./-]+)`", text):
        assert (ROOT / name).exists() or "/secrets/" in name or name.rstrip("/").endswith("secrets"), name


def test_retention_is_told_as_it_is() -> None:
    """The table of what is kept names the periods of the topics' registry."""
    text = (OPERATIONS / "running.md").read_text(encoding="utf-8")
    assert f"checkpoints on Kafka | {BY_NAME[POINTS].retention_ms // DAY_MS} days |" in text
    assert f"dead letters | {BY_NAME[DEAD_LETTERS].retention_ms // DAY_MS} days" in text
