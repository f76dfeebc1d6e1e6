"""Ritual symbols and tonal modes: each row of both tables, their order, and what is said when they change."""

from __future__ import annotations

import pytest

from tests.voices.stage import Stage, mute

ON_TARGET: dict[str, float | None] = {"clarity": 0.8, "chaos": 0.45, "trust": 0.8, "pain": 0.35}
SPEAKS: dict[str, dict[str, float | None]] = {
    "kayn": {"trust": 0.49, "accuracy": 0.7},
    "pino": {"stagnation": True},
    "sam": {"clarity": 0.69, "complexity": 0.7},
    "anhantra": {"trust": 0.59, "pain": 0.41},
    "hundun": {"rigidity": True},
    "iskriv": {"decision_impact_score": 0.9},
    "iskra": {"multiple_voices_active": True},
}
"""Facts that make each voice speak and no symbol stand."""

SYMBOLS: list[tuple[str, dict[str, float | None], str, str]] = [
    ("confession", {"truth_violations": 1}, "kayn", "truth_revelation"),
    ("confession", {"truth_suppression": True}, "kayn", "truth_revelation"),
    ("structuring", {"chaos": 0.71, "clarity": 0.59}, "sam", "organize_information"),
    ("creative", {"stagnation": True, "creative_potential": 0.61}, "pino", "stimulate_creativity"),
    ("recovery", {"pain": 0.61, "trust": 0.49}, "anhantra", "heal_emotional_state"),
    ("defensive", {"ethical_violation": True}, "iskriv", "protect_integrity"),
    ("defensive", {"system_threat": True}, "iskriv", "protect_integrity"),
    ("chaos", {"rigidity": True, "stagnation_duration": 600_001}, "hundun", "break_entrenched_patterns"),
    ("integration", {"multiple_voices_active": True, "synthesis_needed": True}, "iskra", "unify_consciousness"),
    ("transformation", {"ready_for_major_change": True}, "iskra", "consciousness_evolution"),
]


@pytest.mark.parametrize(("symbol", "facts", "voice", "ritual"), SYMBOLS)
def test_a_symbol_stands_while_its_rule_holds(symbol: str, facts: dict[str, float | None], voice: str, ritual: str) -> None:
    """It is told when it comes, with rule, terms, voice and ritual, and when the resting symbol returns; not in between."""
    stage = Stage()
    stage.play({0: ON_TARGET, 5: facts, 10: {**dict.fromkeys(facts), **ON_TARGET}}, 20)
    (came, event), (went, resting) = stage.told("symbol")
    assert (came, event.symbol, event.voice, event.reason) == (5, symbol, voice, f"ritual: {ritual}")
    assert event.rule
    assert any(term.holds for term in event.terms)
    assert (went, resting.symbol, resting.voice, resting.reason) == (10, "observation", "all", "ritual: meta_awareness")
    assert (resting.rule, resting.terms) == (None, [])


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"truth_violations": 0, "truth_suppression": False}, "no violation is none"),
        ({"chaos": 0.7, "clarity": 0.59}, "on the bound"),
        ({"chaos": 0.71, "clarity": 0.6}, "on the bound"),
        ({"stagnation": True, "creative_potential": 0.6}, "on the bound"),
        ({"creative_potential": 0.9}, "stagnation is unknown"),
        ({"pain": 0.6, "trust": 0.49}, "on the bound"),
        ({"pain": 0.61, "trust": 0.5}, "on the bound"),
        ({"rigidity": True, "stagnation_duration": 600_000}, "ten minutes are not over"),
        ({"multiple_voices_active": True}, "nobody knows whether a synthesis is needed"),
        ({"synthesis_needed": True}, "nobody speaks"),
        ({"ready_for_major_change": False}, "not ready"),
    ],
)
def test_the_resting_symbol_stands_else(facts: dict[str, float | None], why: str) -> None:
    """On a bound, or with a part unknown, observation goes on, and nothing is said of symbols."""
    stage = Stage()
    stage.play({0: {**ON_TARGET, **facts}}, 5)
    assert stage.told("symbol") == [], why
    assert stage.voices.symbol == "observation"


def test_of_several_symbols_the_first_stands() -> None:
    """In the order of the configuration; when it goes the next one comes, without observation in between."""
    stage = Stage()
    everything = {name: value for _, facts, _, _ in SYMBOLS for name, value in facts.items()}
    gone: list[dict[str, float | None]] = [
        {"truth_violations": None, "truth_suppression": None},
        {"chaos": 0.45},
        {"creative_potential": 0.1},
        {"pain": 0.35},
        {"ethical_violation": None, "system_threat": None},
        {"rigidity": None},
        {"synthesis_needed": None},
        {"ready_for_major_change": None},
    ]
    stage.play({0: everything, **{5 + i: facts for i, facts in enumerate(gone)}}, 20)
    order = ["confession", "structuring", "creative", "recovery", "defensive", "chaos", "integration", "transformation", "observation"]
    assert [(at, event.symbol) for at, event in stage.told("symbol")] == list(zip([0, *range(5, 13)], order, strict=True))


@pytest.mark.parametrize(
    ("mode", "voice", "tone"),
    [
        ("confessional", "kayn", "vulnerable, honest"),
        ("structuring", "sam", "methodical, focused"),
        ("creative", "pino", "playful, exploratory"),
        ("recovery", "anhantra", "healing, compassionate"),
        ("defensive", "iskriv", "protective, vigilant"),
    ],
)
def test_a_mode_is_chosen_while_its_voice_leads(mode: str, voice: str, tone: str) -> None:
    """It is told with its tone when the voice begins to lead, and neutral is told when nobody leads any more."""
    stage = Stage()
    stage.play({0: ON_TARGET, 5: SPEAKS[voice], 10: [mute(voice)]}, 12)
    (came, event), (went, neutral) = stage.told("mode")
    assert (came, event.mode, event.voice, event.leading, event.reason) == (5, mode, voice, voice, f"tone: {tone}; {voice} leads")
    assert (went, neutral.mode, neutral.voice, neutral.reason) == (10, None, "", "no voice leads")


@pytest.mark.parametrize(
    ("mode", "symbol", "facts"),
    [
        ("confessional", "confession", {"truth_suppression": True}),
        ("structuring", "structuring", {"chaos": 0.71, "clarity": 0.59}),
        ("creative", "creative", {"stagnation": True, "creative_potential": 0.7}),
        ("recovery", "recovery", {"pain": 0.61, "trust": 0.49}),
        ("defensive", "defensive", {"system_threat": True}),
    ],
)
def test_a_mode_is_chosen_while_its_symbol_stands_and_any_voice_leads(mode: str, symbol: str, facts: dict[str, float | None]) -> None:
    """Hundun leads, who has no mode of his own: the symbol's mode is chosen; without a leader there is none."""
    stage = Stage()
    voices = [mute("pino"), mute("anhantra"), mute("iskriv")]
    stage.play({0: voices, 1: {**ON_TARGET, **facts}, 3: SPEAKS["hundun"]}, 5)
    ((came, event),) = stage.told("mode")
    assert stage.told("symbol")[0][1].symbol == symbol
    assert (came, event.mode, event.leading) == (3, mode, "hundun")
    assert (event.reason or "").endswith(f"{symbol} stands")


def test_of_two_modes_the_first_is_chosen() -> None:
    """Recovery stands and Kayn leads: confessional is the first that fits; when Kayn is gone recovery follows."""
    stage = Stage()
    stage.play(
        {0: {**ON_TARGET, "accuracy": 0.7, "trust": 0.49, "pain": 0.61, "chaos": 0.75, "truth_violations": None}, 5: [mute("kayn")]}, 6
    )
    assert [event.symbol for _, event in stage.told("symbol")] == ["recovery"]
    # anhantra is of higher priority than kayn by his second rule, so that she leads
    assert [(at, event.mode, event.leading) for at, event in stage.told("mode")] == [(0, "recovery", "anhantra")]
    stage = Stage()
    stage.play({0: [mute("anhantra")], 1: {**ON_TARGET, "accuracy": 0.7, "trust": 0.49, "pain": 0.61}}, 2)
    assert [(at, event.mode, event.leading) for at, event in stage.told("mode")] == [(1, "confessional", "kayn")]


def test_a_leader_without_a_mode_is_neutral() -> None:
    """Hundun leads and observation stands."""
    stage = Stage()
    stage.play({0: {**ON_TARGET, **SPEAKS["hundun"]}}, 3)
    assert stage.told("mode") == []
    assert stage.voices.mode is None
    assert stage.voices.leading == "hundun"


def test_who_leads() -> None:
    """The active voice of highest priority, then longest active, then the table's first."""
    stage = Stage()
    low: dict[str, float | None] = {**ON_TARGET, "chaos": 0.55, "clarity": 0.85}  # pino, medium
    stage.play({0: low, 5: SPEAKS["hundun"]}, 6)
    assert (stage.voices.active, stage.voices.leading) == (["pino", "hundun"], "pino")  # both medium
    stage.play({7: SPEAKS["iskriv"]}, 8)
    assert stage.voices.leading == "iskriv"  # high
    stage = Stage()
    stage.play({0: {**ON_TARGET, **SPEAKS["hundun"]}, 5: low}, 6)
    assert stage.voices.leading == "hundun"  # longer active
    stage = Stage()
    stage.play({0: {**low, **SPEAKS["hundun"]}}, 1)
    assert stage.voices.leading == "pino"  # first in the table
