"""The ∆DΩΛ snapshot of a run: what changed, what supports it, how sure, what next. Nothing in it is canned."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from experiments.expectations import ABORT, Outcome, clock
from experiments.journal import Journal
from experiments.scenario import Scenario
from schemas import topics
from schemas.events import ActionEvent, VoiceEvent
from schemas.outputs import SloStatus

MOST_SURE = 0.95
"""Omega is never more: a model is not the world."""
_FIRST_MINUTES = 5


class Run(msgspec.Struct, frozen=True):
    """Which run it was: scenario's name, seed, beginning (epoch s), configuration's hash, and by what it was run."""

    name: str
    seed: int
    start: int
    config: str
    by: str

    @property
    def stamp(self) -> str:
        """Date and time of T0 in UTC, as file names have it."""
        return f"{dt.datetime.fromtimestamp(self.start, dt.UTC):%Y%m%d_%H%M}"

    @property
    def id(self) -> str:
        """Name of the experiment."""
        return f"{self.name}-{self.stamp}-seed-{self.seed}"


def snapshot(run: Run, scenario: Scenario, journal: Journal, outcomes: list[Outcome]) -> dict[str, Any]:
    """The snapshot, ready for JSON; the same run gives the same bytes."""
    met = sum(outcome.met for outcome in outcomes)
    completeness = _completeness(scenario, journal)
    ethics = _ethical_compliance(journal)
    share = met / len(outcomes) if outcomes else 0.0
    detections = [
        {"what": outcome.name, "at_min": round(outcome.at / 60_000, 2), "ids": outcome.ids}
        for outcome in outcomes
        if outcome.at is not None and outcome.met
    ]
    passed = met == len(outcomes)
    aborted = any(not outcome.met and outcome.name.startswith(ABORT) for outcome in outcomes)
    states = [{"state": state, "at_min": round(at / 60_000, 1)} for at, state in journal.states()]
    delta = _delta(scenario, journal)
    end = dt.datetime.fromtimestamp(run.start + scenario.length / 1000, dt.UTC)
    beside = {
        subject: {"delta": _delta(scenario.of(subject), one), "voices": _voices(one), "actions": _actions(one)}
        for subject, one in journal.subjects()
        if subject is not None
    }
    return {
        "artifact_id": run.id,
        "experiment_id": run.id,
        "timestamp": end.isoformat().replace("+00:00", "Z"),
        "duration_min": scenario.length / 60_000,
        "status": "OK" if passed else "BLOCK" if aborted else "WARN",
        "delta": delta,
        "dimension": {"state_transitions": states, "voices": _voices(journal), "actions": _actions(journal), "detections": detections}
        | ({"beside": beside} if beside else {}),
        "omega": {
            "confidence": round(min(MOST_SURE, completeness * ethics * share), 3),
            "completeness": round(min(MOST_SURE, completeness), 3),
            "ethical_compliance": round(min(MOST_SURE, ethics), 3),
            "expectations_met": round(min(MOST_SURE, share), 3),
        },
        "lambda": {"next_step": scenario.next_step if passed else _next_step(outcomes)},
        "sift": {
            "source": f"scenario {run.name}, seed {run.seed}, {run.by}, configuration {run.config}",
            "inference": _inference(scenario, outcomes, delta),
            "fact": [f"{met} of {len(outcomes)} expectations met", *(f"{outcome.name}: {outcome.found}" for outcome in outcomes)],
            "trace": [id_ for outcome in outcomes for id_ in outcome.ids],
        },
        "lessons": lessons(scenario, journal, outcomes),
    }


def lessons(scenario: Scenario, journal: Journal, outcomes: list[Outcome]) -> list[str]:
    """What deviated, each by the rule that found it; empty where nothing did."""
    found = []
    by_name = {expectation.name: expectation for expectation in scenario.expect}
    for outcome in outcomes:
        expectation = by_name.get(outcome.name)
        if not outcome.met:
            look = f"; look at {outcome.lesson}" if outcome.lesson else ""
            found.append(f"{outcome.name}: expected {outcome.expected}, found {outcome.found}{look}")
        elif expectation is not None and expectation.at is not None and outcome.at is not None:
            off = outcome.at - expectation.at
            if 2 * abs(off) > expectation.within > 0:
                how = "late" if off > 0 else "early"
                found.append(f"{outcome.name}: {abs(off) / 60_000:.1f} min {how}, more than half of what is tolerated")
    for subject, one in journal.subjects():
        found += [lesson if subject is None else f"{subject}: {lesson}" for lesson in _from_outputs(scenario, one)]
    return found


def _from_outputs(scenario: Scenario, journal: Journal) -> list[str]:
    """What deviated in one subject's outputs, whatever was expected."""
    found = []
    for entry in journal.of(topics.ACTIONS):
        event = entry.value
        if isinstance(event, ActionEvent) and event.state in ("refused", "expired", "ineffective"):
            why = f": {event.review.reason}" if event.state == "refused" and event.review is not None else ""
            found.append(f"{event.action} was {event.state} at {clock(entry.ts - journal.start)}{why}")
    letters = len(journal.of(topics.DEAD_LETTERS))
    if letters:
        found.append(f"{letters} points were refused")
    unknown = [
        f"{entry.value.metric} ({entry.value.reason}) at {clock(entry.ts - journal.start)}"
        for entry in journal.of(topics.STATUS)
        if isinstance(entry.value, SloStatus) and entry.value.level == "UNKNOWN" and 60_000 < entry.ts - journal.start <= scenario.length
    ]
    if unknown:
        found.append(f"the data could not tell: {', '.join(unknown)}")
    return found


def _delta(scenario: Scenario, journal: Journal) -> dict[str, dict[str, float]]:
    """How each vital of a subject changed."""
    return {vital: change for vital in scenario.start if (change := _change(journal, vital)) is not None}


def _change(journal: Journal, vital: str) -> dict[str, float] | None:
    """From the mean of the first minutes to that of the last, and where it was furthest from the first; None: there is none."""
    minutes = journal.minutes(vital)
    if not minutes:
        return None
    means = [mean for _, mean in minutes]
    first, last = means[:_FIRST_MINUTES], means[-_FIRST_MINUTES:]
    begin, end = sum(first) / len(first), sum(last) / len(last)
    at, furthest = max(minutes, key=lambda minute: abs(minute[1] - begin))
    return {
        "from": round(begin, 3),
        "to": round(end, 3),
        "change": round(end - begin, 3),
        "furthest": round(furthest, 3),
        "furthest_at_min": at / 60_000,
    }


def _completeness(scenario: Scenario, journal: Journal) -> float:
    """The share of the run's minutes for which each vital of each subject has a mean."""
    vitals = [(one, vital) for subject, one in journal.subjects() for vital in scenario.of(subject).start]
    wanted = len(vitals) * (scenario.length // 60_000)
    return min(1.0, sum(len(one.minutes(vital)) for one, vital in vitals) / wanted) if wanted else 0.0


def _ethical_compliance(journal: Journal) -> float:
    """The share of dispatched actions that an approving review precedes; 1 where nothing was dispatched."""
    approved: set[str] = set()
    dispatched = lawful = 0
    for entry in (entry for _, one in journal.subjects() for entry in one.of(topics.ACTIONS)):
        event = entry.value
        assert isinstance(event, ActionEvent)
        if event.state == "approved":
            approved.add(event.action_id)
        elif event.state == "dispatched":
            dispatched += 1
            lawful += event.action_id in approved
    return lawful / dispatched if dispatched else 1.0


def _voices(journal: Journal) -> list[dict[str, Any]]:
    told = []
    for entry in journal.of(topics.VOICES):
        event = entry.value
        if isinstance(event, VoiceEvent) and event.event in ("activated", "deactivated", "pre-empted", "queued", "synthesized"):
            at = round((entry.ts - journal.start) / 60_000, 2)
            told.append({"voice": event.voice, "event": event.event, "at_min": at, "rule": event.rule, "id": entry.id})
    return told


def _actions(journal: Journal) -> list[dict[str, Any]]:
    told = []
    for entry in journal.of(topics.ACTIONS):
        event = entry.value
        assert isinstance(event, ActionEvent)
        at = round((entry.ts - journal.start) / 60_000, 2)
        reason = event.review.reason if event.review is not None else None
        told.append(
            {"action": event.action, "state": event.state, "at_min": at, "strength": event.strength, "reason": reason, "id": entry.id}
        )
    return told


def _inference(scenario: Scenario, outcomes: list[Outcome], delta: dict[str, dict[str, float]]) -> str:
    moved = ", ".join(f"{vital} {c['from']:.2f} → {c['furthest']:.2f} → {c['to']:.2f}" for vital, c in delta.items())
    missed = [outcome.name for outcome in outcomes if not outcome.met]
    verdict = "everything expected came" if not missed else f"not as expected: {', '.join(missed)}"
    return f"{scenario.title}: {moved}; {verdict}"


def _next_step(outcomes: list[Outcome]) -> str:
    missed = next(outcome for outcome in outcomes if not outcome.met)
    return f"look at {missed.lesson or missed.name}: expected {missed.expected}, found {missed.found}"
