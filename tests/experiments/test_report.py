"""The artefacts of a run: nothing in them is canned, and the same run gives the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest

from experiments import report
from experiments import scenario as scenarios
from experiments.expectations import Outcome, judge
from experiments.journal import Journal
from experiments.offline import run
from experiments.scenario import Scenario
from experiments.snapshot import Run, lessons, snapshot
from iskra import config_files
from schemas.config import config_hash

START = 1_762_435_080
CONFIG = config_files.load()
WHICH = Run("chaos-storm", 1, START, config_hash(CONFIG), "the engine alone")
STORM = scenarios.load("chaos-storm")


def go(scenario: Scenario) -> tuple[Journal, list[Outcome]]:
    """A run and what came of it."""
    journal = run(scenario, scenarios.load_model(), CONFIG, scenarios.load_states(), seed=1, start=START)
    return journal, judge(scenario, journal)


@pytest.fixture(scope="module")
def storm() -> tuple[Journal, list[Outcome]]:
    """A run that passes."""
    return go(STORM)


def test_the_snapshot_has_the_fields_of_the_domain(storm: tuple[Journal, list[Outcome]]) -> None:
    """Delta, dimension, omega (never above 0.95), lambda, sift, status; every trace is an id of an output."""
    journal, outcomes = storm
    found = snapshot(WHICH, STORM, journal, outcomes)
    assert set(found["delta"]) == {"clarity", "chaos", "trust", "pain"}
    assert found["delta"]["chaos"]["from"] == pytest.approx(0.45, abs=0.01)
    assert found["delta"]["chaos"]["furthest"] > 0.6
    assert found["delta"]["chaos"]["change"] == pytest.approx(found["delta"]["chaos"]["to"] - found["delta"]["chaos"]["from"], abs=0.0011)
    assert set(found["dimension"]) == {"state_transitions", "voices", "actions", "detections"}
    assert max(found["omega"].values()) == 0.95
    assert min(found["omega"].values()) > 0
    assert found["status"] == "OK"
    assert found["lambda"] == {"next_step": STORM.next_step}
    assert set(found["sift"]) == {"source", "inference", "fact", "trace"}
    assert (found["timestamp"], found["duration_min"], found["experiment_id"]) == (
        "2025-11-06T13:33:00Z",
        15,
        "chaos-storm-20251106_1318-seed-1",
    )
    assert set(found["sift"]["trace"]) <= {entry.id for entry in journal.entries}
    assert found["sift"]["trace"]


def test_lessons_come_from_what_deviated(storm: tuple[Journal, list[Outcome]]) -> None:
    """Nothing deviated: none. A missed expectation, a late one, an action without effect: one each, with numbers."""
    journal, outcomes = storm
    assert lessons(STORM, journal, outcomes) == []
    missed = [msgspec.structs.replace(outcomes[1], met=False, found="never"), *outcomes[2:]]
    assert lessons(STORM, journal, missed) == [
        "P0 within 5 s of its start: expected 1 from T0+5.0 to T0+5.1, found never; look at the fast window"
    ]
    lonely = msgspec.structs.replace(STORM, actor=msgspec.structs.replace(STORM.actor, acknowledge_after=None))
    journal, outcomes = go(lonely)
    told = lessons(lonely, journal, outcomes)
    assert told == ["stabilize_system was expired at T0+6.5"]


def test_a_failed_run_says_so() -> None:
    """Status WARN (BLOCK where it had to be aborted), less confidence, the next step is what to look at."""
    hard = msgspec.structs.replace(STORM, expect=[msgspec.structs.replace(STORM.expect[0], end=STORM.length), *STORM.expect[1:]])
    journal, outcomes = go(hard)
    found = snapshot(WHICH, hard, journal, outcomes)
    assert found["status"] == "WARN"
    assert found["omega"]["expectations_met"] == pytest.approx(5 / 6, abs=0.001)
    assert found["lambda"]["next_step"].startswith("look at all in order at first")
    harder = msgspec.structs.replace(hard, abort={"chaos": (0.0, 0.5)})
    assert snapshot(WHICH, harder, journal, judge(harder, journal))["status"] == "BLOCK"


def test_files_are_named_by_time_and_equal_again(tmp_path: Path, storm: tuple[Journal, list[Outcome]]) -> None:
    """Named by T0; valid JSON, well-formed SVG, a log with every expectation; the same bytes again."""
    journal, outcomes = storm
    files = report.write(tmp_path / "one", WHICH, STORM, CONFIG, journal, outcomes)
    assert [file.name for file in files] == [
        "dry_run_20251106_1318_delta_omega_lambda.json",
        "dry_run_20251106_1318_log.md",
        "dry_run_20251106_1318_plot.svg",
    ]
    assert json.loads(files[0].read_text(encoding="utf-8"))["status"] == "OK"
    text = files[1].read_text(encoding="utf-8")
    assert all(f"| {outcome.name} |" in text for outcome in outcomes)
    assert "![vitals over time](dry_run_20251106_1318_plot.svg)" in text
    assert "| action stabilize_system dispatched |" in text
    drawing = ET.fromstring(files[2].read_text(encoding="utf-8"))  # noqa: S314 - written a moment ago
    assert len(drawing.findall("{http://www.w3.org/2000/svg}polyline")) == 4
    again = report.write(tmp_path / "two", WHICH, STORM, CONFIG, *go(STORM))
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]


def test_every_subject_is_in_the_artefacts(tmp_path: Path) -> None:
    """A run of two: a panel each, lines that name the second, its own part of the snapshot, and its lessons under its name."""
    two = scenarios.load("two-in-chaos")
    lonely = {"second": msgspec.structs.replace(two.beside["second"], actor=scenarios.Actor(acknowledge_after=None))}
    journal, outcomes = go(msgspec.structs.replace(two, beside=lonely))
    files = report.write(tmp_path, WHICH, two, CONFIG, journal, outcomes)
    found = json.loads(files[0].read_text(encoding="utf-8"))
    assert found["dimension"]["beside"]["second"]["delta"]["chaos"]["furthest"] > 0.8
    states = [action["state"] for action in found["dimension"]["beside"]["second"]["actions"]]
    assert ("expired" in states, "effective" in states) == (True, False)
    assert "effective" in [action["state"] for action in found["dimension"]["actions"]]
    assert any(lesson.startswith("second: stabilize_system was expired") for lesson in found["lessons"])
    text = files[1].read_text(encoding="utf-8")
    assert "| second: action stabilize_system expired |" in text
    assert "| action stabilize_system effective |" in text
    times = [float(line.split("T0+")[1].split(" ")[0]) for line in text.partition("## Timeline")[2].splitlines() if "| T0+" in line]
    assert times == sorted(times)
    drawing = ET.fromstring(files[2].read_text(encoding="utf-8"))  # noqa: S314 - written a moment ago
    assert len(drawing.findall("{http://www.w3.org/2000/svg}polyline")) == 8
