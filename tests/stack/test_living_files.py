"""Errors of the living part's files: `config check` names file, line, field, column and what was expected."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from iskra.cli import root
from iskra.config_files import DEFAULT_DIR, ConfigError, load

PAGE = "{alert: page, rate: 14.4, long: 1h, short: 5m}"
SUNDAY = '{day: sunday, start: "02:00", end: "04:00"}'
UNCOUNTED = "expected whole minutes up to 1h, whole hours up to 3d, whole days above"


def refusal(folder: Path, file: str, old: str, new: str) -> tuple[str, str]:
    """What is said of the files that come with Iskra with a text in one of them replaced; and that file's text then."""
    for name in DEFAULT_DIR.glob("*.yml"):
        shutil.copy(name, folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert text.count(old) >= 1
    text = text.replace(old, new, 1)
    (folder / file).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(folder)
    return str(caught.value), text


@pytest.mark.parametrize(
    ("file", "old", "new", "field", "mark", "expected"),
    [
        # burn windows and objectives
        ("budget.yml", PAGE, PAGE.replace("1h", "90m"), "burn.0.long", "long: 90m", UNCOUNTED),
        ("budget.yml", PAGE, PAGE.replace("5m", "90s"), "burn.0.short", "short: 90s", UNCOUNTED),
        ("budget.yml", "long: 3d, short: 6h", "long: 3d, short: 90m", "burn.3.short", "short: 90m", UNCOUNTED),
        ("budget.yml", PAGE, PAGE.replace("5m", "1h"), "burn.0.short", "short: 1h", "expected a window below the long one"),
        ("budget.yml", "rate: 3,", "rate: 0,", "burn.2.rate", "rate: 0", "expected a rate above 0"),
        ("budget.yml", "window: 30d", "window: 73h", "window", "window: 73h", UNCOUNTED),
        ("budget.yml", "objective: 0.99", "objective: 1", "objective", "objective: 1", "expected 0 or more and less than 1, got 1"),
        ("budget.yml", "objectives: {}", "objectives: {pain: 0.9, chaos: 1.5}", "objectives.chaos", "chaos: 1.5", "less than 1, got 1.5"),
        ("budget.yml", "objectives: {}", "objectives: {mood: 0.9}", "objectives.mood", "mood: 0.9", "expected a metric of the thresholds"),
        # times of weekly windows
        ("escalation.yml", SUNDAY, SUNDAY.replace("02:00", "2:00"), "silences.0.start", 'start: "', "expected a time HH:MM, got '2:00'"),
        ("escalation.yml", SUNDAY, SUNDAY.replace("04:00", "24:01"), "silences.0.end", 'end: "', "from 00:00 to 24:00, got '24:01'"),
        ("actions.yml", SUNDAY, SUNDAY.replace("04:00", "soon"), "no_injection.0.end", 'end: "', "expected a time HH:MM, got 'soon'"),
        # what only the engine's own specifications refuse
        (
            "escalation.yml", "flapping_changes: 5", "flapping_changes: 1", "flapping_changes", "flapping_changes: 1",
            "expected 2 or more, got 1",
        ),
        (
            "voices-triggers.yml", "[increase_creativity, halt_process]", "[increase_creativity, halt]", "contradictions",
            "contradictions:", "halt: no such response action",
        ),
        (
            "voices-triggers.yml", "{pair: [kayn, pino], prefer: kayn", "{pair: [kayn, pino], prefer: sam", "opposing.0",
            "{pair: [kayn, pino]", "sam: expected a voice of the pair kayn, pino",
        ),
        ("voices-triggers.yml", "pair: [kayn, pino]", "pair: [kayn, kayn]", "opposing.0", "{pair: [kayn, kayn]", "expected two voices"),
        (
            "voices-triggers.yml", "symbol: creative,", "symbol: glee,", "modes.creative",
            "creative: {voice: pino, symbol: glee", "glee: no such symbol",
        ),
        ("voices-triggers.yml", "when: null", "when: stagnation", "symbols", "symbols:", "expected one symbol whose `when` is null"),
        (
            "actions.yml", "metric: trust", "metric: mood", "actions.activate_anhantra_empathy.metric", "metric: mood",
            "has a range, got 'mood'",
        ),
        (
            "actions.yml", "{pain: -0.06", "{mood: -0.06", "actions.emergency_recovery.effects.mood", "mood: -0.06",
            "expected a metric with bounds",
        ),
        # what only the files' own checks refuse
        ("voices-triggers.yml", "guardian: iskriv", "guardian: isk", "guardian", "guardian: isk", "expected one of kayn, pino, sam,"),
        ("voices-triggers.yml", "[sam, iskra]", "[sam, nobody]", "synergies.2", "[sam, nobody]", "expected one of kayn, pino, sam,"),
        (
            "escalation.yml", "{role: PM, after: 60m", "{role: PN, after: 60m", "chains.P1.steps.1.role", "role: PN",
            "a role that people lists",
        ),
        ("escalation.yml", "after: 60m", "after: 14m", "chains.P1.steps.1.after", "after: 14m", "expected at or after the step before it"),
        ("actions.yml", "strength: 6", "strength: 11", "actions.emergency_recovery.strength", "strength: 11", "expected 1 to 10"),
        ("actions.yml", "limit: 3", "limit: -1", "limit", "limit: -1", "expected 0 or more"),
    ],
)  # fmt: skip
def test_an_error_names_its_place(tmp_path: Path, file: str, old: str, new: str, field: str, mark: str, expected: str) -> None:
    """Each value stands on the line and at the column that are told, and of several like it the bad one is named."""
    said, text = refusal(tmp_path, file, old, new)
    at = text.index(mark)
    line = text[:at].count("\n") + 1
    column = at - text.rfind("\n", 0, at)
    assert said.startswith(f"{tmp_path / file}:{line}: {field}: column {column}: ")
    assert expected in said


def test_a_rule_is_told_with_line_and_column(tmp_path: Path) -> None:
    """Within the rule's own text, wherever that stands on its line."""
    said, text = refusal(tmp_path, "voices-triggers.yml", "{when: stagnation, priority", "{when: stagnatoin, priority")
    at = text.index("stagnatoin")
    line, column = text[:at].count("\n") + 1, at - text.rfind("\n", 0, at)
    assert said.startswith(f"{tmp_path / 'voices-triggers.yml'}:{line}: voices.pino.activate.0.when: column {column}: ")


def test_the_command_tells_it_in_one_line(tmp_path: Path) -> None:
    """`config check` exits 2; a directory whose files are all right exits 0."""
    said, _ = refusal(tmp_path, "budget.yml", PAGE, PAGE.replace("1h", "90m"))
    refused = CliRunner().invoke(root, ["config", "check", str(tmp_path)])
    assert (refused.exit_code, refused.output.strip()) == (2, f"Error: {said}")
    shutil.copy(DEFAULT_DIR / "budget.yml", tmp_path)
    assert CliRunner().invoke(root, ["config", "check", str(tmp_path)]).exit_code == 0
