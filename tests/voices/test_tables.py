"""Each row of the table of voices: when it speaks, when not yet, when it falls silent, when it may speak again."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.voices.stage import VOICES, Stage

HEALTHY: dict[str, float | None] = {"clarity": 0.8, "chaos": 0.45, "trust": 0.8, "pain": 0.35}
"""All vitals on their targets, but for a pain that lets no voice be done; nothing published."""


class Row(NamedTuple):
    """An activation rule: facts that fire it, each with its value just on the bound; what the event says."""

    voice: str
    facts: dict[str, float]
    bounds: dict[str, float]
    rule: str
    priority: str
    cooldown: int


ROWS = [
    Row(
        "kayn",
        {"chaos": 0.71, "truth_violations": 1},
        {"chaos": 0.7, "truth_violations": 0},
        "chaos > 0.7 and truth_violations > 0",
        "high",
        300,
    ),
    Row("kayn", {"trust": 0.49, "accuracy": 0.79}, {"trust": 0.5, "accuracy": 0.8}, "trust < 0.5 and accuracy < 0.8", "medium", 180),
    Row("pino", {"stagnation": True}, {"stagnation": False}, "stagnation", "high", 240),
    Row(
        "pino",
        {"chaos": 0.51, "clarity": 0.81},
        {"chaos": 0.7, "clarity": 0.8},
        "chaos > 0.5 and chaos < 0.7 and clarity > 0.8",
        "medium",
        180,
    ),
    Row(
        "sam", {"clarity": 0.69, "complexity": 0.61}, {"clarity": 0.7, "complexity": 0.6}, "clarity < 0.7 and complexity > 0.6", "high", 300
    ),
    Row(
        "sam",
        {"chaos": 0.71, "needs_organization": True},
        {"chaos": 0.7, "needs_organization": False},
        "chaos > 0.7 and needs_organization",
        "medium",
        200,
    ),
    Row("anhantra", {"trust": 0.59, "pain": 0.41}, {"trust": 0.6, "pain": 0.4}, "trust < 0.6 and pain > 0.4", "high", 360),
    Row("anhantra", {"conflict": True}, {"conflict": False}, "conflict", "medium", 240),
    Row(
        "hundun",
        {"chaos": 0.19, "stagnation_duration": 300_001},
        {"chaos": 0.2, "stagnation_duration": 300_000},
        'chaos < 0.2 and stagnation_duration > duration("5m")',
        "high",
        400,
    ),
    Row("hundun", {"rigidity": True}, {"rigidity": False}, "rigidity", "medium", 300),
    Row("iskriv", {"ethical_violation": True}, {"ethical_violation": False}, "ethical_violation", "critical", 600),
    Row("iskriv", {"decision_impact_score": 0.81}, {"decision_impact_score": 0.8}, "decision_impact_score > 0.8", "high", 180),
    Row("iskra", {"synthesis_readiness": 0.81}, {"synthesis_readiness": 0.8}, "synthesis_readiness > 0.8", "high", 500),
    Row("iskra", {"multiple_voices_active": True}, {"multiple_voices_active": False}, "multiple_voices_active", "medium", 300),
]

SILENT: dict[str, tuple[dict[str, float], int]] = {
    "kayn": ({"chaos": 0.39, "accuracy": 0.91}, 600),
    "pino": ({"chaos": 0.81}, 120),
    "sam": ({"clarity": 0.86, "structure_score": 0.81}, 180),
    "anhantra": ({"trust": 0.81, "pain": 0.29}, 300),
    "hundun": ({"chaos": 0.61}, 200),
    "iskriv": ({"ethical_compliance": True}, 120),
    "iskra": ({"synthesis_completed": True}, 600),
}
"""Facts of each voice's deactivation rule, and its time-out in seconds."""

ACTIONS = {
    "kayn": ["request_verification", "flag_inconsistency"],
    "pino": ["suggest_experiments", "increase_creativity"],
    "sam": ["create_framework", "organize_data"],
    "anhantra": ["provide_empathy", "mediate_conflict"],
    "hundun": ["introduce_chaos", "break_patterns"],
    "iskriv": ["halt_process", "require_ethics_review"],
    "iskra": ["initiate_synthesis", "create_unified_output"],
}

each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.voice}: {row.rule}")


def neutral(row: Row) -> dict[str, float | None]:
    """Facts under which the row's rule does not hold, nor any deactivation rule."""
    return {**dict.fromkeys(row.facts), **HEALTHY}


def spoken(stage: Stage, until: int, timeline: dict[int, dict[str, float | None]]) -> list[str]:
    """What voices did, without Iskra's synthesis, which follows her activation at once."""
    return [told for told in stage.play(timeline, until) if not told.endswith("synthesized")]


@each_row
def test_a_voice_speaks_by_its_rule(row: Row) -> None:
    """It speaks at the first judging at which the rule holds, with rule, terms, priority and response actions told."""
    stage = Stage()
    assert spoken(stage, 9, {0: HEALTHY, 5: dict(row.facts)}) == [f"5 {row.voice} activated"]
    (_, event), *_ = stage.told("activated")
    assert event.rule == row.rule
    assert event.priority == row.priority
    assert event.actions == ACTIONS[row.voice]
    assert event.terms
    assert all(term.holds for term in event.terms)
    assert event.active == [row.voice]
    assert event.leading == row.voice


@each_row
def test_a_bound_itself_makes_no_voice_speak(row: Row) -> None:
    """With one fact just on its bound, or unknown, the rule does not hold."""
    for name, bound in row.bounds.items():
        for value in (bound, None):
            assert spoken(Stage(), 5, {0: {**HEALTHY, **row.facts, name: value}}) == []


@each_row
def test_a_voice_that_is_done_falls_silent_after_its_timeout(row: Row) -> None:
    """The deactivation rule must have held for the time-out, to the second."""
    facts, timeout = SILENT[row.voice]
    stage = Stage()
    told = spoken(stage, 1 + timeout, {0: {**HEALTHY, **row.facts}, 1: {**neutral(row), **facts}})
    assert told == [f"0 {row.voice} activated", f"{1 + timeout} {row.voice} deactivated"]
    ((_, event),) = stage.told("deactivated")
    assert event.reason == f"its deactivation rule has held for {timeout} s"
    assert event.rule == " ".join(VOICES.voices[row.voice].silent_when.split())
    assert event.active == []
    assert event.leading is None


@each_row
def test_a_voice_without_reason_falls_silent_after_its_timeout(row: Row) -> None:
    """When no activation rule has held for the time-out; a moment in which one holds begins it anew."""
    _, timeout = SILENT[row.voice]
    quiet = {**neutral(row), "synthesis_completed": False}
    stage = Stage()
    again = timeout // 2
    told = spoken(stage, again + 1 + timeout, {0: {**quiet, **row.facts}, 1: quiet, again: dict(row.facts), again + 1: quiet})
    assert told == [f"0 {row.voice} activated", f"{again + 1 + timeout} {row.voice} deactivated"]
    ((_, event),) = stage.told("deactivated")
    assert event.reason == f"no activation rule of its has held for {timeout} s"
    assert event.rule == row.rule


@each_row
def test_a_voice_speaks_again_after_both_cooldowns(row: Row) -> None:
    """The rule's counts from its last activation, the voice's 300 s from its falling silent; the later one decides."""
    facts, timeout = SILENT[row.voice]
    silent = 1 + timeout
    again = max(silent + 300, row.cooldown)
    done: dict[str, float | None] = {**neutral(row), **facts}
    back: dict[str, float | None] = {**dict.fromkeys(facts), **HEALTHY, **row.facts}
    told = spoken(Stage(), again, {0: {**HEALTHY, **row.facts}, 1: done, silent + 1: back})
    assert told == [f"0 {row.voice} activated", f"{silent} {row.voice} deactivated", f"{again} {row.voice} activated"]


def test_a_voice_may_be_done_while_its_rule_holds() -> None:
    """Pino falls silent in chaos though the stagnation is not over, and speaks again 300 s later, since it still is not."""
    told = Stage().play({0: {**HEALTHY, "stagnation": True}, 20: {"chaos": 0.81}}, 440)
    assert told == ["0 pino activated", "140 pino deactivated", "440 pino activated"]


def test_a_timeout_that_is_interrupted_begins_anew() -> None:
    """Stagnation holds; chaos is above 0.8 from 20 to 109 and from 111 on: Pino is done 120 s after 111."""
    told = Stage().play({0: {**HEALTHY, "stagnation": True}, 20: {"chaos": 0.81}, 110: {"chaos": 0.8}, 111: {"chaos": 0.81}}, 240)
    assert told == ["0 pino activated", "231 pino deactivated"]


def test_a_rule_that_held_before_the_activation_gives_no_shorter_timeout() -> None:
    """Ethical compliance that has held for an hour silences Iskriv 120 s after he spoke, not at once."""
    stage = Stage()
    told = stage.play({0: {**HEALTHY, "ethical_compliance": True}, 3600: {"decision_impact_score": 0.9}}, 3720)
    assert told == ["3600 iskriv activated", "3720 iskriv deactivated"]


def test_of_two_rules_each_has_its_own_cooldown() -> None:
    """Iskriv's critical rule cools down for 600 s; meanwhile he speaks by the other one, at its priority."""
    stage = Stage()
    violation: dict[str, float | None] = {"ethical_violation": True, "ethical_compliance": False, "decision_impact_score": 0.9}
    done: dict[str, float | None] = {"ethical_violation": False, "ethical_compliance": True}
    told = stage.play({0: {**HEALTHY, **violation}, 1: done, 200: violation}, 500)
    assert told == ["0 iskriv activated", "121 iskriv deactivated", "421 iskriv activated"]
    assert [event.priority for _, event in stage.told("activated")] == ["critical", "high"]


def test_in_a_healthy_subject_every_voice_is_silent() -> None:
    """An hour on target: nobody speaks, the resting symbol stands, nothing is kept."""
    stage = Stage()
    assert stage.play({0: HEALTHY}, 3600) == []
    assert stage.said == []
    assert stage.voices.dump() == []
