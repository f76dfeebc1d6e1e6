"""docs/domain/walk.md: each record on it is one of the run's, in the run's order, and the numbers in its text follow from them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from experiments.journal import Journal
from experiments.model import SimulatedSubject
from experiments.scenario import load_model
from experiments.walk import RECORDS, SEED, START, find, play
from iskra import config_files, experiment
from schemas.events import AlertEvent
from schemas.outputs import SloStatus

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "domain" / "walk.md").read_text(encoding="utf-8")
CONFIG = config_files.load()
_RECORD = re.compile(r"`([a-z.-]+)`, T0\+([\d.]+), id `([\w-]+)`:\n```json\n(.+?)\n```", re.DOTALL)
SHOWN = [(topic, float(minute), identity, json.loads(body)) for topic, minute, identity, body in _RECORD.findall(PAGE)]


@pytest.fixture(scope="module")
def journal() -> Journal:
    """The seed, run again."""
    return play(CONFIG)[1]


def record(journal: Journal, block: str, number: int = 0) -> Any:
    """The message behind a block of the page."""
    return find(journal, RECORDS[block][number]).value


def test_every_record_is_one_of_the_run(journal: Journal) -> None:
    """Topic, id, time and each field that is shown; no block is empty, and the page is complete from status to synthesis."""
    stand = {(entry.topic, entry.id): entry for entry in journal.entries}
    for topic, minute, identity, shown in SHOWN:
        entry = stand[topic, identity]
        body = msgspec.to_builtins(entry.value)
        assert shown == {field: body[field] for field in shown}
        assert minute == pytest.approx((entry.ts - journal.start) / 60_000, abs=0.051)
    assert len(SHOWN) == sum(map(len, RECORDS.values())) + 2
    assert "generated: walk" in PAGE
    assert not re.search(r"<!-- generated: [a-z-]+ -->\n<!-- end -->", PAGE)
    assert START == experiment.T0, "where the command begins, so that its ids are these"


def test_the_points_are_those_of_the_run(journal: Journal) -> None:
    """The point that is judged stands in the array; the mean of it and those before is the status' value."""
    scenario, _ = play(CONFIG)
    status = record(journal, "walk-status")
    assert isinstance(status, SloStatus)
    subject = SimulatedSubject(scenario, load_model(), CONFIG, seed=SEED, start=START)
    last = -(-status.since // 1000)
    points = [timed.point for second in range(START + 1, last + 1) for timed in subject.second(second)]
    [shown] = re.findall(r"`metrics\.points`, partition 0, offset \d+:\n```json\n(.+?)\n```", PAGE, re.DOTALL)
    assert json.loads(shown) == [{"subject": p.subject, "metric": p.metric, "value": p.value, "ts": p.ts} for p in points[-4:]]
    chaos = [point.value for point in points if point.metric == "chaos"][-30:]
    assert f"{sum(chaos):.4f} ÷ 30 = {sum(chaos) / 30:.5f}" in PAGE
    assert sum(chaos) / 30 == pytest.approx(status.value)
    assert f"offsets {status.evidence.first_offset} to {status.evidence.last_offset}" in PAGE


def test_the_numbers_in_the_text_follow(journal: Journal) -> None:
    """What the text says of a record is what the record says."""
    status, budget = record(journal, "walk-status"), record(journal, "walk-budget")
    rung = next(rung for rung in status.evidence.rungs if (rung.side, rung.priority) == ("low", "P1"))
    assert status.since - rung.since == 2000
    assert f"at `since` …{rung.since % 10**6}, the verdict comes at …{status.since % 10**6}" in PAGE
    bad = budget.bad["1h"] // 1000
    assert f"{bad} ÷ 3600 = {bad / 36:.3f} %" in PAGE
    assert f"{bad - 1} s would have been {(bad - 1) / 36:.3f}" in PAGE
    assert bad / 36 >= budget.threshold > (bad - 1) / 36
    assert f"{budget.bad['5m'] // 1000} ÷ 300 ÷ 0.01 = {budget.burn['5m']:.2f}" in PAGE
    first, second = (shown["mean"] for topic, _, _, shown in SHOWN if topic == "slo.windows")
    assert first <= 0.85 < second
    pino, hundun = (find(journal, RECORDS[name][0]) for name in ("walk-pino", "walk-hundun"))
    assert f"{(hundun.ts - pino.ts) // 1000} s after it began" in PAGE
    alert, step = record(journal, "walk-alert", 1), record(journal, "walk-escalation")
    assert alert.last - alert.first >= 30_000
    assert step.due - (alert.first + 30_000) == 15 * 60_000
    requested, review = record(journal, "walk-requested"), record(journal, "walk-reviewed").review
    asked = find(journal, RECORDS["walk-requested"][0]).ts
    assert f"…{asked % 10**6}" in PAGE
    assert asked - requested.evidence.since == 600_000
    moves = re.findall(r"(\d\.\d{3}) → (\d\.\d{3})", review.reason)
    assert len(moves) == 2
    assert all(f"from {before} to {after}" in PAGE for before, after in moves)
    effect, came = record(journal, "walk-effective").effect, find(journal, RECORDS["walk-effective"][0]).ts
    assert f"`after` is {effect.after:.4f}" in PAGE
    assert 6 <= (came - effect.acknowledged) / 60_000 < 7
    assert f"chaos, {record(journal, 'walk-silent', 1).terms[0].value:.3f} by then" in PAGE
    assert f"{record(journal, 'walk-resolved').value:.3f} is still below 0.30" in PAGE
    assert record(journal, "walk-synthesis").terms[0].value == 1
    states = [entry.value.state for entry in journal.entries if isinstance(entry.value, AlertEvent)]
    assert states.count("pending") == states.count("resolved") > 0
