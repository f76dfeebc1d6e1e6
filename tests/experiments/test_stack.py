"""A scenario over a real broker, in virtual time: what the engine alone says, at any speed."""

from __future__ import annotations

import datetime as dt
import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from experiments import offline
from experiments import scenario as scenarios
from experiments.expectations import judge
from experiments.journal import contents
from iskra import config_files, experiment
from iskra.cli import root
from tests.small_worker import SmallWorker

CONFIG = config_files.load()
MODEL = scenarios.load_model()
STATES = scenarios.load_states()


@pytest.mark.kafka
@pytest.mark.parametrize("speed", [400.0, float("inf")])
def test_the_stack_says_what_the_engine_alone_says(kafka: str, namespace: str, speed: float) -> None:
    """The loop is closed over Kafka: dispatches are heard at barriers, acknowledged by a command, and the outputs are equal."""
    storm = scenarios.load("chaos-storm")
    worker = SmallWorker(kafka, namespace)
    heard: list[str] = []
    try:
        journal = experiment.run(
            kafka, namespace, worker, storm, MODEL, CONFIG, STATES, seed=4, speed=speed, heard=lambda message: heard.append(message.topic)
        )
    finally:
        worker.close()
    alone = offline.run(storm, MODEL, CONFIG, STATES, seed=4, start=experiment.T0)
    assert contents(journal) == contents(alone)
    assert all(outcome.met for outcome in judge(storm, journal))
    assert heard.count("actions.events") == 5, "requested, approved, dispatched, acknowledged, effective"


@pytest.mark.kafka
def test_several_subjects_go_through_the_stack(kafka: str, namespace: str) -> None:
    """Each has a journal of its own, equal to that of the engine alone, and its own side answers."""
    two = scenarios.load("two-in-chaos")
    worker = SmallWorker(kafka, namespace)
    try:
        journal = experiment.run(kafka, namespace, worker, two, MODEL, CONFIG, STATES, seed=5)
    finally:
        worker.close()
    alone = offline.run(two, MODEL, CONFIG, STATES, seed=5, start=experiment.T0)
    assert contents(journal) == contents(alone)
    assert all(len(one) > 100 for one in contents(journal))
    assert all(outcome.met for outcome in judge(two, journal))


@pytest.mark.kafka
def test_a_stopped_run_says_where(kafka: str, namespace: str) -> None:
    """It ends at the next barrier, and is no result."""
    worker = SmallWorker(kafka, namespace)
    stop = threading.Event()

    def passed(second: int) -> None:
        if second == 60:
            stop.set()

    try:
        with pytest.raises(experiment.Stopped, match=r"ended at T0\+1\.0 of 15 minutes"):
            experiment.run(kafka, namespace, worker, scenarios.load("chaos-storm"), MODEL, CONFIG, STATES, seed=1, passed=passed, stop=stop)
    finally:
        worker.close()


def test_a_run_begins_outside_windows() -> None:
    """On a Sunday night it begins behind the window of maintenance."""
    saturday = int(dt.datetime(2025, 11, 8, 23, 0, tzinfo=dt.UTC).timestamp())
    sunday = int(dt.datetime(2025, 11, 9, 1, 0, tzinfo=dt.UTC).timestamp())
    after = int(dt.datetime(2025, 11, 9, 4, 0, tzinfo=dt.UTC).timestamp())
    assert experiment.outside_windows(CONFIG, saturday, 140 * 60_000) == saturday
    assert experiment.outside_windows(CONFIG, sunday, 140 * 60_000) == after
    assert experiment.outside_windows(CONFIG, experiment.T0, 140 * 60_000) == experiment.T0


def test_the_command_lists_and_runs(tmp_path: Path) -> None:
    """`experiment list --json` and `run --offline --json`: one document on stdout; the files are where --out says."""
    runner = CliRunner()
    listed = json.loads(runner.invoke(root, ["experiment", "list", "--json"]).stdout)
    assert {"stagnation-creative", "chaos-storm"} <= {one["name"] for one in listed}
    done = runner.invoke(root, ["experiment", "run", "chaos-storm", "--offline", "--seed", "2", "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["passed"] is True
    assert sorted(Path(file).name for file in document["files"]) == [
        "dry_run_20251106_1318_delta_omega_lambda.json",
        "dry_run_20251106_1318_log.md",
        "dry_run_20251106_1318_plot.svg",
    ]
    assert all(Path(file).parent == tmp_path and Path(file).is_file() for file in document["files"])


@pytest.mark.kafka
def test_the_command_runs_through_a_worker(kafka: str, tmp_path: Path) -> None:
    """A worker of its own on a broker: what waits on log time waits on virtual time, and all outputs equal those of the engine alone."""
    done = CliRunner().invoke(root, ["experiment", "run", "chaos-storm", "--kafka", kafka, "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["passed"] is True
    assert document["equal_to_engine_alone"] is True


def test_what_is_refused() -> None:
    """Unknown scenarios and options that exclude each other: exit code 2, one line."""
    runner = CliRunner()
    for arguments in (["run", "no-such", "--offline"], ["run", "chaos-storm", "--offline", "--speed", "10"]):
        done = runner.invoke(root, ["experiment", *arguments])
        assert done.exit_code == 2
        assert "expected one of" in done.output or "for a run through the stack" in done.output


@pytest.mark.parametrize("how", [["--offline"], ["--seeds", "2"], ["--kafka", "127.0.0.1:1"]])
def test_a_directory_that_cannot_be_made_is_told_before_the_run(how: list[str]) -> None:
    """Exit code 2 and one line, before anything is computed that would be lost."""
    done = CliRunner().invoke(root, ["experiment", "run", "chaos-storm", *how, "--out", "/proc/x"])
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1), done.output
    assert done.output.startswith("Error: --out: /proc/x: ")


def test_files_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    """What stands in the way of one of them."""
    (tmp_path / "dry_run_20251106_1318_log.md").mkdir()
    done = CliRunner().invoke(root, ["experiment", "run", "chaos-storm", "--offline", "--out", str(tmp_path)])
    assert done.exit_code == 2
    assert f"--out: {tmp_path}: Is a directory" in done.output


def test_many_seeds_tell_their_share(tmp_path: Path) -> None:
    """`--seeds N`: exit 0 where at least 95 % pass, a summary in --out."""
    done = CliRunner().invoke(
        root, ["experiment", "run", "chaos-storm", "--seeds", "3", "--processes", "1", "--out", str(tmp_path), "--json"]
    )
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["seeds"], document["passed"], document["failed_seeds"]) == (3, 3, [])
    assert json.loads((tmp_path / "chaos-storm-seeds.json").read_text(encoding="utf-8"))["passed"] == 3
