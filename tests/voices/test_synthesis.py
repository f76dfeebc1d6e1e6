"""Iskra's synthesis: what is merged, what is left out and why, when it is complete."""

from __future__ import annotations

from processors.synthesis import synthesize
from tests.voices.small import SMALL, made
from tests.voices.stage import Stage, acknowledge, mute

THREE: dict[str, float | None] = {"clarity": 0.8, "chaos": 0.45, "trust": 0.59, "pain": 0.41, "stagnation": True, "rigidity": True}
"""Anhantra (high), Pino (high) and Hundun (medium) speak."""


def test_three_voices_call_iskra_who_merges_what_they_suggest() -> None:
    """The judging after the third voice; the leader's actions first, then those of the longest active, each once."""
    stage = Stage()
    quiet = {**THREE, "stagnation": None, "rigidity": None}
    told = stage.play({0: quiet, 5: {"rigidity": True}, 9: {"stagnation": True}}, 700)
    assert told[:5] == ["0 anhantra activated", "5 hundun activated", "9 pino activated", "10 iskra activated", "10 iskra synthesized"]
    ((_, event),) = stage.told("synthesized")
    assert event.leading == "anhantra"
    assert event.rule == "multiple_voices_active"
    assert event.active == ["pino", "anhantra", "hundun", "iskra"]
    assert event.actions == [
        "provide_empathy",
        "mediate_conflict",
        "introduce_chaos",
        "break_patterns",
        "suggest_experiments",
        "increase_creativity",
        "initiate_synthesis",
        "create_unified_output",
    ]
    assert event.dropped == {}
    # complete from the next judging on, she falls silent after her time-out, though three voices still speak
    assert [said for said in told if "iskra" in said] == ["10 iskra activated", "10 iskra synthesized", "611 iskra deactivated"]


def test_what_contradicts_is_left_out() -> None:
    """Iskriv leads: that he halts the process leaves no room for more creativity."""
    stage = Stage()
    grave: dict[str, float | None] = {"decision_impact_score": 0.9, "ethical_violation": True, "chaos": 0.45, "stagnation": True}
    stage.play({0: grave, 2: {"rigidity": True}}, 3)
    ((_, event),) = stage.told("synthesized")
    assert event.leading == "iskriv"
    assert event.dropped == {"increase_creativity": "contradicts halt_process of iskriv, who leads"}
    assert "suggest_experiments" in event.actions
    assert "increase_creativity" not in event.actions


def test_of_contradicting_actions_the_leaders_stays_else_that_of_the_longest_active() -> None:
    """Small voices: aria and drum contradict each other, cello and echo do; `speaking` is the longest active first."""
    spec, _ = made(SMALL)
    aria, _, cello, drum, echo = range(5)
    kept, dropped = synthesize(spec, [drum, aria], leading=aria)
    assert (kept, dropped) == (["act_1", "also_1", "also_10"], {"act_10": "contradicts act_1 of aria, who leads"})
    kept, dropped = synthesize(spec, [drum, aria], leading=drum)
    assert (kept, dropped) == (["act_10", "also_10", "also_1"], {"act_1": "contradicts act_10 of drum, who leads"})
    kept, dropped = synthesize(spec, [echo, cello, aria], leading=aria)
    assert dropped == {"also_7": "contradicts act_12 of echo, who speaks longer"}
    assert kept == ["act_1", "also_1", "act_12", "also_12", "act_7"]


def test_acknowledged_voices_make_a_synthesis_ready() -> None:
    """Half of those that spoke are acknowledged: 0.5; all: 1, and Iskra speaks, by her high rule; then she counts, too."""
    stage = Stage()
    two: dict[str, float | None] = {"clarity": 0.8, "chaos": 0.45, "trust": 0.59, "pain": 0.41, "rigidity": True}
    told = stage.play({0: two, 10: [acknowledge("anhantra")], 20: [acknowledge("hundun")]}, 21)
    assert told == [
        "0 anhantra activated",
        "0 hundun activated",
        "10 anhantra acknowledged",
        "20 hundun acknowledged",
        "20 iskra activated",
        "20 iskra synthesized",
    ]
    (_, event) = stage.told("activated")[-1]
    assert (event.rule, event.priority) == ("synthesis_readiness > 0.8", "high")
    assert [(term.term, term.value) for term in event.terms] == [("synthesis_readiness > 0.8", 1.0)]
    assert stage.voices.signals(22_000, True).synthesis_readiness == 2 / 3


def test_a_synthesis_is_complete_until_iskra_falls_silent() -> None:
    """`synthesis_completed` from the judging after it."""
    stage = Stage()
    completed = []
    stage.set(THREE)
    for _ in range(1300):
        stage.judge()
        completed.append(stage.voices.signals(stage.now * 1000, True).synthesis_completed)
    (began, _), *_ = stage.told("synthesized")
    (ended, _), *_ = [(at, event) for at, event in stage.told("deactivated") if event.voice == "iskra"]
    assert (began, ended) == (1, 602)
    assert completed[began - 1 : ended + 1] == [False] + [True] * (ended - began) + [False]


def test_a_voice_counts_for_ninety_minutes_from_its_silence() -> None:
    """Pino, acknowledged, falls silent at 5: the readiness is 1 until 5404, and 0 at 5405, when he counts no more."""
    stage = Stage()
    stage.set({"synthesis_readiness": None, "clarity": 0.8, "chaos": 0.45, "trust": 0.7, "pain": 0.35})
    stage.play({0: {"stagnation": True}, 1: [acknowledge("pino")], 5: [mute("pino")]}, 5403)
    assert stage.voices.signals(5_404_000, True).synthesis_readiness == 1
    assert stage.voices.signals_due == 5_405_000
    assert stage.voices.signals(5_405_000, True).synthesis_readiness == 0
