"""Another configuration in the middle of a subject's life."""

from __future__ import annotations

from typing import Any

import msgspec

from processors.voice_memory import inherit
from schemas import living
from schemas.durations import decode_hook
from tests.voices.stage import VOICES, Stage, compiled, facts_of

STAGNANT: dict[str, float | None] = {"clarity": 0.88, "chaos": 0.3, "trust": 0.7, "pain": 0.35, "stagnation": True, "conflict": False}
FALSE: dict[str, float | None] = {"trust": 0.45, "accuracy": 0.7}


def changed(**changes: Any) -> living.Voices:
    """The real configuration with changes: `voice__field=value` in a voice, else a part of the section; None: the voice is gone."""
    tree = msgspec.to_builtins(VOICES, enc_hook=int)
    for name, value in changes.items():
        voice, _, field = name.partition("__")
        if field:
            tree["voices"][voice][field] = value
        elif value is None:
            del tree["voices"][voice]
        else:
            tree[name] = value
    return msgspec.convert(tree, living.Voices, dec_hook=decode_hook)


def without(name: str) -> living.Voices:
    """The real configuration without a voice."""
    return changed(
        **{name: None},
        opposing=[pair for pair in msgspec.to_builtins(VOICES.opposing) if name not in pair["pair"]],
        synergies=[pair for pair in VOICES.synergies if name not in pair],
        contradictions=[],
        symbols={key: symbol for key, symbol in msgspec.to_builtins(VOICES.symbols).items() if symbol["voice"] != name},
        modes={key: mode for key, mode in msgspec.to_builtins(VOICES.modes).items() if mode["voice"] != name},
    )


def rebind(stage: Stage, voices: living.Voices, facts: dict[str, float | None]) -> None:
    """Another configuration from the next judging on."""
    stage.spec, book = compiled(voices)
    stage.facts = facts_of(book)
    stage.set(facts)
    stage.voices.rebind(stage.spec)


def test_the_same_configuration_changes_nothing() -> None:
    """Running time-outs, queue and cool-downs go on."""
    timeline: dict[int, dict[str, float | None]] = {0: {**STAGNANT}, 5: FALSE, 20: {"stagnation": False}}
    told = Stage().play(timeline, 600)
    stage = Stage()
    again = stage.play(timeline, 60)
    rebind(stage, VOICES, {**STAGNANT, **FALSE, "stagnation": False})
    assert again + stage.play({}, 600) == told


def test_voices_that_are_gone_are_closed() -> None:
    """Who spoke is deactivated, who waited is dropped, at the next judging, with the reason; the figures forget them."""
    stage = Stage()
    stage.play({0: STAGNANT, 5: FALSE}, 9)
    rebind(stage, without("pino"), {**STAGNANT, **FALSE})
    assert stage.play({}, 10) == ["10 pino deactivated", "10 kayn activated"]
    assert stage.told("deactivated")[0][1].reason == "the configuration does not have it any more"
    assert stage.told("activated")[-1][1].reason == "it waited, and no opponent speaks"
    assert "pino" not in stage.voices.figures(11_000).shares
    stage = Stage()
    stage.play({0: STAGNANT, 5: FALSE}, 9)
    rebind(stage, without("kayn"), {**STAGNANT, **FALSE})
    assert stage.play({}, 10) == ["10 kayn dropped"]
    assert stage.voices.active == ["pino"]


def test_active_voices_that_oppose_each_other_only_now_are_decided() -> None:
    """Pino and Hundun were friends; now Hundun takes the word, as the pair's new rule has it."""
    stage = Stage()
    stage.play({0: {**STAGNANT, "rigidity": True}}, 9)
    foes = [
        *msgspec.to_builtins(VOICES.opposing),
        {"pair": ["pino", "hundun"], "prefer": "pino", "when": "pain > 0.7", "otherwise": "hundun"},
    ]
    rebind(stage, changed(opposing=foes), {**STAGNANT, "rigidity": True})
    assert stage.play({}, 10) == ["10 pino pre-empted against hundun", "10 pino queued against hundun"]
    assert stage.told("queued")[0][1].reason == "rule of the pair: hundun, unless pain > 0.7"


def test_a_changed_rule_keeps_its_place_and_its_cooldown() -> None:
    """Iskriv's critical rule gets another text: it goes on from the one that stood there, so that its 600 s are not forgotten."""
    violated: dict[str, float | None] = {"ethical_violation": True, "ethical_compliance": False}
    done: dict[str, float | None] = {"ethical_violation": False, "ethical_compliance": True}
    stage = Stage()
    stage.play({0: violated, 1: done}, 150)
    rules = [{"when": "ethical_violation and not ethical_compliance", "priority": "critical", "cooldown": 600_000}]
    rebind(stage, changed(iskriv__activate=rules), violated)
    assert stage.play({}, 700) == ["600 iskriv activated"]


def test_a_timeout_of_another_rule_begins_anew() -> None:
    """Pino's deactivation rule is another one from 100 on, and holds at once: 120 s from there."""
    stage = Stage()
    loud: dict[str, float | None] = {**STAGNANT, "chaos": 0.85}
    stage.play({0: STAGNANT, 20: {"chaos": 0.85}}, 99)
    rebind(stage, changed(pino__silent_when="chaos > 0.7"), loud)
    assert stage.play({}, 220) == ["220 pino deactivated"]


def test_rules_go_on_from_those_of_equal_text_else_of_the_same_place() -> None:
    """No rule has two heirs by place, and a new one has none."""
    assert inherit(["a", "b"], ["a", "b"]) == [0, 1]
    assert inherit(["a", "b"], ["b", "a"]) == [1, 0]
    assert inherit(["a", "b"], ["c", "b"]) == [0, 1]
    assert inherit(["a", "b"], ["b", "c"]) == [1, -1]
    assert inherit(["a"], ["c", "d"]) == [0, -1]
