"""The figures of the voices: by hand, and against a slow count over what was said."""

from __future__ import annotations

import math

import pytest
from hypothesis import given

from schemas import living
from tests.processors.profiles import cases
from tests.voices.small import SMALL_SIGNALS
from tests.voices.stage import Stage, acknowledge, mute, unmute
from tests.voices.test_random import _CONFIGS, _MOMENTS, ENDS, Moment, Run, at_whole_seconds

ON_TARGET: dict[str, float | None] = {"clarity": 0.8, "chaos": 0.45, "trust": 0.8, "pain": 0.35, "conflict": False}


def test_one_voice_alone() -> None:
    """All activity is Pino's: no balance, no harmony; he has spoken alone and collaborates with nobody else."""
    stage = Stage()
    stage.play({0: {**ON_TARGET, "stagnation": True}}, 60)
    figures = stage.voices.figures(60_000)
    assert figures.shares == {"kayn": 0, "pino": 1, "sam": 0, "anhantra": 0, "hundun": 0, "iskriv": 0, "iskra": 0}
    assert (figures.balance, figures.harmony, figures.dissonance, figures.dialogue) == (0, 0, 0, "collaboration")


def test_two_voices_in_synergy() -> None:
    """Pino for 100 s, Hundun for 60 s of these: shares 100/160 and 60/160; the only pair that ever spoke is a synergy."""
    stage = Stage()
    stage.play({0: {**ON_TARGET, "stagnation": True}, 40: {"rigidity": True}}, 100)
    figures = stage.voices.figures(100_000)
    assert figures.shares["pino"] == 100 / 160
    assert figures.shares["hundun"] == 60 / 160
    assert figures.balance == pytest.approx(-(5 / 8 * math.log(5 / 8) + 3 / 8 * math.log(3 / 8)) / math.log(7))
    assert (figures.harmony, figures.dissonance, figures.dialogue) == (1, 0, "harmony")


def test_three_voices_of_which_two_are_in_synergy() -> None:
    """Pino and Hundun for 100 s, Iskriv for 40 s with both: harmony (100 + 40) ÷ 180, since Iskriv and Hundun are a synergy, too."""
    stage = Stage()
    both: dict[str, float | None] = {**ON_TARGET, "stagnation": True, "rigidity": True, "multiple_voices_active": False}
    stage.play({0: both, 60: {"decision_impact_score": 0.9}}, 100)
    figures = stage.voices.figures(100_000)
    assert figures.harmony == 140 / 180
    stage.play({101: {"multiple_voices_active": True}}, 102)
    assert stage.voices.figures(102_000).dialogue == "synthesis"


def test_an_opponent_that_waits_is_dissonance() -> None:
    """Kayn waits for 30 s while Pino speaks alone: no pair speaks, the dissonance is whole. With Hundun it is 30 s ÷ pair time."""
    stage = Stage()
    stagnant: dict[str, float | None] = {**ON_TARGET, "stagnation": True}
    stage.play({0: stagnant, 10: {"trust": 0.45, "accuracy": 0.7}, 40: {"trust": 0.8}}, 100)
    figures = stage.voices.figures(100_000)
    assert (figures.dissonance, figures.dialogue) == (1, "conflict")
    stage = Stage()
    stage.play({0: {**stagnant, "rigidity": True}, 10: {"trust": 0.45, "accuracy": 0.7}, 40: {"trust": 0.8}}, 100)
    figures = stage.voices.figures(100_000)
    assert (figures.dissonance, figures.dialogue) == (0.3, "harmony")
    assert stage.voices.signals(100_000, True).dissonance == 0.3


def test_dissonance_makes_a_synthesis_less_ready() -> None:
    """Both voices are acknowledged; a dissonance of 0.3 leaves 0.7 of it."""
    stage = Stage()
    stage.set({**ON_TARGET, "stagnation": True, "rigidity": True, "synthesis_readiness": None})
    stage.play({5: [acknowledge("pino")], 6: [acknowledge("hundun")], 10: {"trust": 0.45, "accuracy": 0.7}, 40: {"trust": 0.8}}, 99)
    assert stage.voices.signals(100_000, True).synthesis_readiness == pytest.approx(0.7)


def test_what_is_older_than_the_span_does_not_count() -> None:
    """Ten minutes after the last voice fell silent nothing is left of the figures, and nothing is kept for them."""
    stage = Stage()
    stage.play({0: {**ON_TARGET, "stagnation": True}, 100: [mute("pino")]}, 699)
    assert stage.voices.figures(699_000).shares["pino"] == 1
    stage.play({}, 701)
    figures = stage.voices.figures(701_000)
    assert (figures.shares["pino"], figures.dialogue) == (0, None)
    stage.play({}, 5499)
    assert stage.voices.signals(5_499_000, True).synthesis_readiness == 0
    stage.play({5500: {"stagnation": None}, 5501: [unmute("pino")]}, 5502)
    ensemble = stage.voices.dump()[0]
    assert (ensemble[1], ensemble[2], ensemble[3], ensemble[4]) == ([], [], [], [])


@cases(40)
@given(_MOMENTS, _CONFIGS)
def test_figures_are_those_of_a_slow_count(moments: list[Moment], config: living.Voices) -> None:
    """At every whole second, from the state after the judging before it, the figures equal sums over what was said."""
    run = Run(config)
    judgings = at_whole_seconds(moments)
    for now, whole, moment in judgings:
        if whole:
            told = run.voices.figures(now)
            signals = run.voices.signals(now, True)
            shares, harmony, dissonance, anybody = counted(run, config, now)
            assert told.shares == pytest.approx(shares)
            assert told.harmony == pytest.approx(harmony)
            assert told.dissonance == pytest.approx(dissonance)
            assert (told.dialogue is None) == (not anybody and dissonance == 0 and config.synthesizer not in run.voices.active)
            assert signals.dissonance == told.dissonance
            assert signals.synthesis_readiness == pytest.approx(ready(run, config, now) * (1 - dissonance))
        run.judge(now, whole, moment)


def counted(run: Run, config: living.Voices, now: int) -> tuple[dict[str, float], float, float, bool]:
    """Shares, harmony, dissonance, and whether anybody spoke, over the span before `now`, from the events alone."""
    voice = dict.fromkeys(config.voices, 0)
    pair = synergy = dissonant = 0
    for place, (start, event) in enumerate(run.said):
        end = run.said[place + 1][0] if place + 1 < len(run.said) else now
        ms = max(0, min(end, now) - max(start, now - SMALL_SIGNALS.polyphony))
        for name in event.active:
            voice[name] += ms
        pair += ms * (len(event.active) * (len(event.active) - 1) // 2)
        synergy += ms * sum(set(both) <= set(event.active) for both in config.synergies)
        for opposing in config.opposing:
            for one, other in (opposing.pair, opposing.pair[::-1]):
                dissonant += ms * (one in event.active and other in event.queued)
    total = sum(voice.values())
    shares = {name: spoken / total if total else 0.0 for name, spoken in voice.items()}
    harmony = synergy / pair if pair else 0.0
    dissonance = min(1.0, dissonant / pair) if pair else float(dissonant > 0)
    return shares, harmony, dissonance, total > 0


def ready(run: Run, config: living.Voices, now: int) -> float:
    """The share of the acknowledged among the voices that spoke within the span of the readiness."""
    recent = acknowledged = 0
    for name in config.voices:
        own = [(at, event.event) for at, event in run.said if event.voice == name]
        begun = [place for place, (_, event) in enumerate(own) if event == "activated"]
        if not begun:
            continue
        since = own[begun[-1] :]
        ended = [at for at, event in since if event in ENDS]
        if not ended or ended[0] > now - SMALL_SIGNALS.readiness:
            recent += 1
            acknowledged += any(event == "acknowledged" for _, event in since)
    return acknowledged / recent if recent else 0.0
