"""Options that several commands share: what they take, and what they refuse before anything is begun."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from iskra.cli import root

PACED = [
    ("publish", "--rate", ["-"]),
    ("publish", "--speed", ["-"]),
    ("demo", "--speed", []),
    ("demo", "--duration", []),
    ("worker", "--checkpoint-every", []),
    ("experiment run", "--speed", ["chaos-storm"]),
]


def _command(path: str) -> click.Command:
    found: click.Command = root
    for name in path.split():
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), name)
        assert below is not None
        found = below
    return found


@pytest.mark.parametrize(("path", "option", "arguments"), PACED)
def test_a_pace_is_a_finite_number(path: str, option: str, arguments: list[str]) -> None:
    """NaN is beyond no bound, and infinity is a run that never sends or never ends."""
    command = _command(path)
    command.make_context(path, [*arguments, option, "1.5"])
    for number in ("nan", "inf", "-inf", "NaN"):
        with pytest.raises(click.BadParameter, match=r"is not a finite number|is not in the range"):
            command.make_context(path, [*arguments, option, number])
    with pytest.raises(click.BadParameter, match=r"nan is not a finite number"):
        command.make_context(path, [*arguments, option, "nan"])


@pytest.mark.parametrize("command", ["up", "worker", "verify", "gateway", "publish -"])
@pytest.mark.parametrize("name", ["a b", "a/b", "", "ü", "x" * 201])
def test_a_namespace_is_one_that_kafka_takes(command: str, name: str) -> None:
    """One line and exit code 2, before anything starts."""
    result = CliRunner().invoke(root, [*command.split(), "--namespace", name])
    assert (result.exit_code, len(result.output.splitlines())) == (2, 1), result.output
    assert result.output.startswith("Error: --namespace: expected up to 200 letters, digits, dots, dashes and underscores")
