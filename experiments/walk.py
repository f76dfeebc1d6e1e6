"""The records of one stagnation, from points to synthesis, as docs/domain/walk.md shows them: taken from a run, not written."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from experiments import scenario as scenarios
from experiments.expectations import clock, fits
from experiments.journal import Entry, Journal
from experiments.model import SimulatedSubject
from experiments.offline import run
from experiments.scenario import Scenario
from schemas import topics
from schemas.config import Config

SCENARIO = "stagnation-creative"
SEED = 1
START = 1_762_435_080
"""Epoch s of T0: where `iskra experiment run` begins, too."""
_WIDTH = 150


class Shown(NamedTuple):
    """A record of the page: the first on `topic` that is `where`, not before `since` (ms from T0); `fields` of it are shown."""

    topic: str
    where: dict[str, Any]
    fields: str
    since: int = 0


_CHAOS = "stimulate_creative_chaos"
_VOICE = "voice event priority rule terms reason leading active actions evidence"
_ACTION = "action_id action state previous strength"
RECORDS: dict[str, list[Shown]] = {
    "walk-status": [
        Shown(
            topics.STATUS, {"metric": "chaos", "level": "BLOCK"},
            "metric level priority previous value fast_value statistic window_ms bound side since evidence",
        )
    ],
    "walk-alert": [
        Shown(
            topics.ALERTS, {"metric": "chaos", "kind": "slo", "priority": "P1", "state": "pending"},
            "alert_id metric kind level priority state threshold value since first auto_actions voice_triggers chain evidence",
        ),
        Shown(
            topics.ALERTS, {"metric": "chaos", "kind": "slo", "priority": "P1", "state": "firing"},
            "alert_id state previous first last step",
        ),
    ],
    "walk-budget": [
        Shown(
            topics.BUDGET, {"metric": "chaos", "alert": "page"},
            "metric objective bad_ms remaining burn bad alert previous threshold cause",
        )
    ],
    "walk-signals": [Shown(topics.SIGNALS, {"changed": [["stagnation"]]}, "changed values cause")],
    "walk-pino": [Shown(topics.VOICES, {"voice": "pino", "event": "activated"}, _VOICE)],
    "walk-hundun": [Shown(topics.VOICES, {"voice": "hundun", "event": "activated"}, _VOICE)],
    "walk-escalation": [
        Shown(
            topics.ESCALATIONS, {"metric": "chaos", "state": "due"},
            "alert_id priority kind step role who channel state due dedup_key summary",
        )
    ],
    "walk-requested": [Shown(topics.ACTIONS, {"action": _CHAOS, "state": "requested"}, f"{_ACTION} effect evidence")],
    "walk-reviewed": [
        Shown(topics.ACTIONS, {"action": _CHAOS, "state": "approved"}, f"{_ACTION} review"),
        Shown(topics.ACTIONS, {"action": _CHAOS, "state": "dispatched"}, "action_id state previous until"),
    ],
    "walk-acknowledged": [Shown(topics.ACTIONS, {"action": _CHAOS, "state": "acknowledged"}, "action_id state previous effect by why")],
    "walk-effective": [Shown(topics.ACTIONS, {"action": _CHAOS, "state": "effective"}, "action_id state previous effect")],
    "walk-silent": [
        Shown(topics.VOICES, {"voice": "pino", "event": "deactivated"}, "voice event rule terms reason leading active evidence"),
        Shown(topics.VOICES, {"voice": "hundun", "event": "deactivated"}, "voice event rule terms reason leading active evidence"),
    ],
    "walk-resolved": [
        Shown(
            topics.ALERTS, {"metric": "chaos", "kind": "slo", "priority": "P1", "state": "resolved"},
            "alert_id state previous value last step resolution",
        ),
        Shown(
            topics.ALERTS, {"metric": "chaos", "kind": "slo", "priority": "P2", "state": "resolved", "resolution": "recovered"},
            "alert_id state previous value last step resolution",
        ),
    ],
    "walk-done": [
        Shown(topics.VOICES, {"voice": "pino", "event": "acknowledged"}, "voice event by why evidence"),
        Shown(topics.VOICES, {"voice": "hundun", "event": "acknowledged"}, "voice event by why evidence"),
    ],
    "walk-synthesis": [
        Shown(topics.VOICES, {"voice": "iskra", "event": "activated"}, _VOICE),
        Shown(topics.VOICES, {"voice": "iskra", "event": "synthesized"}, "voice event rule active actions dropped evidence"),
        Shown(topics.VOICES, {"voice": "iskra", "event": "deactivated"}, "voice event rule reason active"),
    ],
}  # fmt: skip
"""What each block of the page shows; those of the points and windows behind it are made below."""


def play(config: Config) -> tuple[Scenario, Journal]:
    """The scenario and its run with the engine alone."""
    scenario = scenarios.load(SCENARIO)
    return scenario, run(scenario, scenarios.load_model(), config, scenarios.load_states(), seed=SEED, start=START)


def blocks(config: Config) -> dict[str, str]:
    """The page's blocks, by name, as Markdown."""
    scenario, journal = play(config)
    made = {name: "".join(_block(find(journal, shown), shown.fields, journal) for shown in records) for name, records in RECORDS.items()}
    status = find(journal, RECORDS["walk-status"][0])
    made["walk-point"] = _points(scenario, config, status)
    sample = find(journal, RECORDS["walk-signals"][0])
    fields = "metric start size_ms count mean min max last stddev p50 p95 late"
    made["walk-windows"] = "".join(_block(entry, fields, journal) for entry in _windows(journal, config, sample))
    return made


def find(journal: Journal, shown: Shown) -> Entry:
    """The record that is shown."""
    return next(entry for entry in journal.of(shown.topic) if entry.ts - journal.start >= shown.since and fits(entry.value, shown.where))


def _points(scenario: Scenario, config: Config, status: Entry) -> str:
    """The record of points that caused a status: nothing was performed until then, so the subject alone tells it."""
    subject = SimulatedSubject(scenario, scenarios.load_model(), config, seed=SEED, start=START)
    last = -(-status.ts // 1000)
    for second in range(START + 1, last):
        list(subject.second(second))
    points = [timed.point for timed in subject.second(last)]
    lines = ",\n ".join(
        msgspec.json.encode({"subject": p.subject, "metric": p.metric, "value": p.value, "ts": p.ts}).decode() for p in points
    )
    offset = status.id.split("-")[1]
    return f"`{topics.POINTS}`, partition 0, offset {offset}:\n```json\n[{lines}]\n```\n"


def _windows(journal: Journal, config: Config, sample: Entry) -> list[Entry]:
    """Two 10 s windows of clarity: the last that was not above the bound of stagnation, and the one after it."""
    living = config.living
    assert living is not None
    tens = [e for e in journal.of(topics.WINDOWS) if fits(e.value, {"metric": "clarity", "size_ms": 10_000}) and e.ts <= sample.ts]
    bound = living.signals.stagnation.clarity_above
    at = max(n for n, entry in enumerate(tens) if getattr(entry.value, "mean", 0.0) <= bound)
    return tens[at : at + 2]


def _block(entry: Entry, fields: str, journal: Journal) -> str:
    body = msgspec.to_builtins(entry.value)
    items = [f'"{name}": {msgspec.json.format(msgspec.json.encode(body[name]), indent=0).decode()}' for name in fields.split()]
    lines = [""]
    for item in [*(f"{item}," for item in items[:-1]), items[-1]]:
        if lines[-1] and len(lines[-1]) + len(item) + 2 > _WIDTH:
            lines.append("")
        lines[-1] += f" {item}" if lines[-1] else item
    text = "\n ".join(lines)
    return f"`{entry.topic}`, {clock(entry.ts - journal.start)}, id `{entry.id}`:\n```json\n{{{text}}}\n```\n"
