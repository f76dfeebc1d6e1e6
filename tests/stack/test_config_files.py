"""Errors of the configuration name file, line, field and what was expected; nothing of a refused one is taken."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from iskra import notify_config
from iskra.cli import root
from iskra.config_files import DEFAULT_DIR, THRESHOLDS, ConfigError, load, parse
from iskra.diagnosis import Diagnosis
from processors.catalogue import Catalogue

TEXT = (DEFAULT_DIR / THRESHOLDS).read_text(encoding="utf-8")


def _line(text: str, mark: str) -> int:
    """The line, from 1, on which `mark` first stands."""
    return text[: text.index(mark)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "field", "expected"),
    [
        ("target: 0.80", "goal: 0.80", "metrics.clarity.goal", "unknown field `goal`"),
        ("low: {P2: 0.30, P1: 0.25, P0: 0.10}", "low: {P2: 0.30, P1: 0.31, P0: 0.10}", "metrics.chaos.low.P1", "expected below 0.3"),
        ("high: {P2: 0.50, P1: 0.60, P0: 0.70}", "high: {P2: 0.50, P1: 0.40, P0: 0.70}", "metrics.pain.high.P1", "expected above 0.5"),
        ("high: {P2: 0.90, P1: 0.95}", "high: {P2: 0.90, P1: high}", "metrics.trust.high.P1", "Expected `float | null`, got `str`"),
        ("high: {P2: 0.90, P1: 0.95}", "high: {P2: 0.90, P3: 0.95}", "metrics.trust.high.P3", "unknown field `P3`"),
        ("high: {P2: 0.90, P1: 0.95}", "high: {P2: 0.90, P1: 1.95}", "metrics.trust.high.P1", "expected a bound within [0, 1]"),
        ("cooldown: 180s", "cooldown: 3 minutes", "metrics.chaos.cooldown", "expected a duration such as 30s"),
        ("allowed_lateness: 5s", "allowed_lateness: 5500ms", "time.allowed_lateness", "expected whole seconds"),
        ("windows: [10s, 1m]", "windows: [1m, 10s]", "windows.1", "ascending"),
        ("fast_window: 3s", "fast_window: 40s", "defaults.fast_window", "expected at most the window"),
        ("statistic: mean", "statistic: median", "defaults.statistic", "expected mean"),
        ("idle_after: 30", "idle_after: soon", "time.idle_after", "Expected `int`, got `str`"),
        ("version: 1", "version: 1\nversion: 2", "version", "expected once"),
    ],
)
def test_an_error_names_line_field_and_expectation(old: str, new: str, field: str, expected: str) -> None:
    """Unknown keys, bounds out of order, wrong types and units are each told exactly where they stand."""
    text = TEXT.replace(old, new, 1)
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.yml")
    said = str(caught.value)
    line = _line(text, new) + (1 if field == "version" else 0)
    assert said.startswith(f"x.yml:{line}: {field}: ")
    assert expected in said


JUDGED = "  {}:\n    values: [-1, 1]\n    low: {{P2: 0}}\n  clarity:\n"


@pytest.mark.parametrize("name", ["volatility", "coherence", "stagnation", "ethical_violation", "drift", "interruptions"])
def test_a_judged_metric_has_no_name_of_a_signal(name: str) -> None:
    """It would be two things to a rule; without bounds, or with statuses alone, the name is free."""
    text = TEXT.replace("  clarity:\n", JUDGED.format(name), 1)
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.yml")
    assert str(caught.value).startswith(f"x.yml:{_line(text, f'  {name}:')}: metrics.{name}: expected no bounds, or another name")
    parse(text.replace("    low: {P2: 0}\n", "", 1), "x.yml")
    parse(text + "\nliving: null\n", "x.yml")


def test_a_judged_metric_may_be_a_number_that_producers_publish() -> None:
    """It has a place among the vitals then, where rules find its mean."""
    config = parse(TEXT.replace("  clarity:\n", JUDGED.format("accuracy"), 1), "x.yml")
    catalogue = Catalogue(config)
    assert catalogue.names.count("accuracy") == 1
    assert catalogue.places["accuracy"] < catalogue.vitals


def test_thresholds_that_bear_no_living_part_may_use_any_name(tmp_path: Path) -> None:
    """Without the four vitals there are no signals, so none of their names is taken."""
    text = TEXT[: TEXT.index("metrics:\n")] + "metrics:\n  volatility: {values: [0, 1], high: {P2: 0.5}}\n"
    (tmp_path / THRESHOLDS).write_text(text, encoding="utf-8")
    assert load(tmp_path).living is None


def test_text_that_is_no_yaml_is_refused_with_its_line() -> None:
    """A syntax error names the line."""
    with pytest.raises(ConfigError, match=r"^x\.yml:2: "):
        parse("version: 1\ntime: [1, 2", "x.yml")


def test_a_metric_named_by_a_number_is_refused() -> None:
    """YAML reads a bare number as one; the error says to quote it."""
    with pytest.raises(ConfigError, match=r"metrics\.5: expected a name, put it in quotes"):
        parse(TEXT.replace("  clarity:\n", "  5:\n"), "x.yml")


def test_the_command_refuses_with_exit_code_2_and_one_line(tmp_path: Path) -> None:
    """`config check` prints one line with file, line and field, and exits 2; a valid directory exits 0."""
    (tmp_path / THRESHOLDS).write_text(TEXT.replace("target: 0.80", "goal: 0.80", 1), encoding="utf-8")
    refused = CliRunner().invoke(root, ["config", "check", str(tmp_path)])
    assert refused.exit_code == 2
    assert refused.output.strip().splitlines() == [
        f"Error: {tmp_path / THRESHOLDS}:{_line(TEXT, 'target: 0.80')}: metrics.clarity.goal: Object contains unknown field `goal`"
    ]
    assert CliRunner().invoke(root, ["config", "check", str(DEFAULT_DIR)]).exit_code == 0


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A directory without the file is told which file it lacks."""
    with pytest.raises(ConfigError, match=rf"{THRESHOLDS}:1: No such file or directory; expected the file"):
        load(tmp_path)


DEEP = "[" * 5000
NOT_UTF8 = b"# first line\n# l\xf6dne\n"


@pytest.mark.parametrize("name", [THRESHOLDS, "signals.yml", "notify.yml", "subject-model.yml", "states.yml", "scenarios/chaos-storm.yml"])
@pytest.mark.parametrize(("raw", "told"), [(NOT_UTF8, "0xf6"), (DEEP.encode(), "nested less deeply")])
def test_a_file_that_is_no_text_or_nested_without_end_is_refused(tmp_path: Path, name: str, raw: bytes, told: str) -> None:
    """Exit code 2 and one line that names the file, and the line where it is known; of every file in the directory."""
    shutil.copytree(DEFAULT_DIR, tmp_path / "config")
    file = tmp_path / "config" / name
    file.write_bytes(raw)
    result = CliRunner().invoke(root, ["config", "check", str(tmp_path / "config")])
    assert (result.exit_code, len(result.output.splitlines())) == (2, 1), result.output
    assert str(file) in result.output
    assert told in result.output
    if name in (THRESHOLDS, "signals.yml", "notify.yml"):
        assert f"{file}:{2 if raw is NOT_UTF8 else 1}: " in result.output


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("notify.yml", "channels: {slack: [nowhere]}\nadapters: {}\n", "notify.yml:1: channels.slack: expected adapters that stand below"),
        ("subject-model.yml", "pain: 3\n", "subject-model.yml: "),
        ("states.yml", "- a\n- b\n", "states.yml: "),
        ("scenarios/mine.yml", "title: Mine\n", "mine.yml: "),
    ],
)
def test_every_file_of_the_directory_is_checked(tmp_path: Path, name: str, text: str, told: str) -> None:
    """Also those that the engine does not read; `doctor` says the same."""
    shutil.copytree(DEFAULT_DIR, tmp_path / "config")
    assert CliRunner().invoke(root, ["config", "check", str(tmp_path / "config")]).exit_code == 0
    (tmp_path / "config" / name).write_text(text, encoding="utf-8")
    result = CliRunner().invoke(root, ["config", "check", str(tmp_path / "config")])
    assert result.exit_code == 2
    assert told in result.output
    doctor = Diagnosis(data=tmp_path, kafka=None, clickhouse=None, namespace="t", config=tmp_path / "config", port=1, partitions=None)
    found = doctor.configuration()
    assert not found.ok
    assert told in found.detail


@pytest.mark.parametrize(("name", "nearest"), [("voices-trigger.yml", "voices-triggers.yml"), ("notify.yaml", "notify.yml")])
def test_a_file_that_nobody_reads_is_refused(tmp_path: Path, name: str, nearest: str) -> None:
    """A mistyped name would be passed over in silence, and the file that comes with Iskra taken in its place."""
    (tmp_path / THRESHOLDS).write_text(TEXT, encoding="utf-8")
    (tmp_path / ".hidden.yml").write_text("", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("", encoding="utf-8")
    load(tmp_path)
    (tmp_path / name).write_text("", encoding="utf-8")
    for read in (load, notify_config.load):
        with pytest.raises(ConfigError) as caught:
            read(tmp_path)
        assert str(caught.value).startswith(f"{tmp_path / name}:1: nobody reads a file of this name; is it {nearest}?")
