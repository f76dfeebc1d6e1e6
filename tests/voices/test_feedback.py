"""Voices and the signals about them, together, under the real rules: what is left out would have changed nothing."""

from __future__ import annotations

from math import nan
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from processors.emission import Emission
from processors.voices import Voices
from schemas import living
from schemas.durations import decode_hook
from schemas.events import VoiceEvent
from tests.processors.profiles import cases
from tests.voices.stage import CATALOGUE, SCALE, SIGNALS, VOICES, VoiceCommand, acknowledge, compiled, facts_of, instant, mute, unmute


def faster(tree: Any, by: int) -> Any:
    """A section whose lengths of time are shorter."""
    if isinstance(tree, dict):
        return {key: faster(value, by) for key, value in tree.items()}
    if isinstance(tree, list):
        return [faster(value, by) for value in tree]
    return tree // by if isinstance(tree, int) and not isinstance(tree, bool) and tree >= 1000 else tree


FAST = msgspec.convert(faster(msgspec.to_builtins(VOICES, enc_hook=int), 30), living.Voices, dec_hook=decode_hook)
FAST_SIGNALS = msgspec.convert(faster(msgspec.to_builtins(SIGNALS, enc_hook=int), 30), living.Signals, dec_hook=decode_hook)
"""The configuration that comes with Iskra, thirty times as fast."""

_VITAL = st.sampled_from([0.13, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.9, None])
_BOOL = st.sampled_from([0.0, 1.0, 1.0, None])
_VALUES = {
    **dict.fromkeys(("clarity", "chaos", "trust", "pain"), _VITAL),
    **dict.fromkeys(("stagnation", "rigidity", "needs_organization", "ethical_violation", "ethical_compliance", "synthesis_needed"), _BOOL),
    **dict.fromkeys(("truth_violations", "complexity", "accuracy", "structure_score", "decision_impact_score"), _VITAL),
    "stagnation_duration": st.sampled_from([0.0, 300_001.0, 600_001.0]),
}
_CHANGES = st.sampled_from(sorted(_VALUES)).flatmap(lambda name: st.tuples(st.just(name), _VALUES[name]))
_COMMANDS = st.one_of([st.sampled_from(list(FAST.voices)).map(make) for make in (acknowledge, acknowledge, mute, unmute)])
_TIMELINES = st.lists(
    st.tuples(st.sampled_from([100, 400, 1000, 1000, 3000, 8000]), st.lists(_CHANGES, max_size=5), st.lists(_COMMANDS, max_size=1)),
    min_size=10,
    max_size=30,
)
Timeline = list[tuple[int, list[tuple[str, float | None]], list[VoiceCommand]]]


def played(timeline: Timeline, lazy: bool) -> tuple[list[tuple[int, VoiceEvent]], list[tuple[object, ...]]]:
    """What voices say, and the signals about them at each judging."""
    spec, book = compiled(FAST, FAST_SIGNALS)
    facts, voices, emission = facts_of(book), Voices(spec), Emission("iskra.metrics.points", 0)
    said: list[tuple[int, VoiceEvent]] = []
    signals: list[tuple[object, ...]] = []
    read: tuple[object, ...] = ()
    now = 0
    first = True
    live = 0
    for rule in [own.rule for voice in spec.voices for own in voice.activations] + [symbol.rule for symbol in spec.symbols]:
        live |= 1 << rule if rule >= 0 else 0
    for gap, changes, commands in timeline:
        target = now + gap
        judgings = [(second, True) for second in range((now // 1000 + 1) * 1000, target + 1, 1000)] + [(target, False)]
        for at, whole in judgings:
            emission.begin(0, at)
            here = instant(emission, at, whole)
            if not whole:
                for command in commands:
                    try:
                        voices.command(here, command)
                    except ValueError:
                        continue
                for name, value in changes:
                    place = CATALOGUE.places[name]
                    if place < CATALOGUE.vitals:
                        facts.set_vital(place, 0 if value is None else 1, 0 if value is None else round(value * SCALE))
                    else:
                        facts.set_signal(place, nan if value is None else value)
            if not lazy or at >= voices.signals_due:
                told = voices.signals(at, whole)
                read = tuple(told)
                for field in ("conflict", "multiple_voices_active", "synthesis_completed", "synthesis_readiness"):
                    facts.set_signal(CATALOGUE.places[field], float(getattr(told, field)))
            signals.append(read)
            changed = facts.settle() or first
            first = False
            if not lazy or changed or at >= voices.due:
                voices.step(here, facts)
            if lazy:
                # what silences a voice matters while it speaks, what decides a pair only when it is decided
                listening = live
                for name in voices.active:
                    listening |= 1 << spec.voices[spec.places[name]].silent_rule
                facts.set_live(listening)
            said += [(at, output.value) for output in emission.outputs if isinstance(output.value, VoiceEvent)]
        now = target
    return said, signals


@cases(50)
@given(_TIMELINES)
def test_with_real_rules_what_is_left_out_would_have_done_nothing(timeline: Timeline) -> None:
    """Steps only when a rule's truth has changed or something is due, signals only when they are due: the same events and signals."""
    eager, lazy = played(timeline, lazy=False), played(timeline, lazy=True)
    assert lazy == eager


def test_the_fast_configuration_is_the_real_one() -> None:
    """Thirty times as fast, all else equal."""
    assert FAST.cooldown == 10_000
    assert FAST.voices["kayn"].timeout == 20_000
    assert FAST_SIGNALS.readiness == 180_000
    assert [voice.actions for voice in FAST.voices.values()] == [voice.actions for voice in VOICES.voices.values()]
