"""What always holds of voices, whatever is true when."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processors.emission import Emission
from processors.voice_spec import VoicesSpec
from processors.voices import Voices
from schemas import living
from schemas.events import VoiceEvent
from schemas.points import BadPoint
from tests.processors.profiles import cases
from tests.reference.voices import ReferenceVoices, Said
from tests.voices.small import FEW, NAMES, NO_COOLDOWN, RULES, SMALL, FakeFacts, made, rule
from tests.voices.stage import VoiceCommand, acknowledge, instant, mute, unmute

ENDS = ("deactivated", "pre-empted", "muted")


@dataclass
class Moment:
    """A judging `gap` ms after the one before; first the commands, then the facts change."""

    gap: int
    truths: dict[str, bool | None] = field(default_factory=dict)
    excesses: dict[str, float] = field(default_factory=dict)
    commands: list[VoiceCommand] = field(default_factory=list)


_COMMANDS = st.one_of([st.sampled_from(NAMES).map(make) for make in (mute, unmute, acknowledge, acknowledge)])
_ACTIVATING = sorted({activation.when for voice in SMALL.voices.values() for activation in voice.activate})
# rules that activate are drawn more often than the others, and hold more often than not
_TRUTHS = st.dictionaries(st.sampled_from(_ACTIVATING + _ACTIVATING + RULES), st.sampled_from([True, True, True, False, None]), max_size=6)
_EXCESSES = st.dictionaries(st.sampled_from(RULES), st.sampled_from([0.0, 0.1, 0.1, 0.5]), max_size=2)
_GAPS = st.sampled_from([0, 1, 250, 500, 500, 1000, 1000, 1500, 2000, 3000, 8000])
# long enough that deep states come up; a list of any length is drawn short
_MOMENTS = st.lists(st.builds(Moment, _GAPS, _TRUTHS, _EXCESSES, st.lists(_COMMANDS, max_size=1)), min_size=12, max_size=40)
_CONFIGS = st.sampled_from([SMALL, NO_COOLDOWN])


def at_whole_seconds(moments: list[Moment]) -> list[tuple[int, bool, Moment | None]]:
    """The judgings of these moments as an engine has them: each whole second up to a moment, then the moment as a point."""
    told: list[tuple[int, bool, Moment | None]] = []
    now = 0
    for moment in moments:
        target = now + moment.gap
        told += [(second, True, None) for second in range((now // 1000 + 1) * 1000, target + 1, 1000)]
        told.append((target, False, moment))
        now = target
    return told


class Run:
    """Voices that are judged moment by moment.

    `lazy`: a step is left out when nothing changed and it is not due. `rest`: after how many judgings the state is dumped
    into new voices, again and again (0: never).
    """

    def __init__(self, voices: living.Voices, lazy: bool = False, rest: int = 0) -> None:
        self.spec: VoicesSpec
        self.facts: FakeFacts
        self.spec, self.facts = made(voices)
        self.voices = Voices(self.spec)
        self.emission = Emission("iskra.metrics.points", 0)
        self.said: list[tuple[int, VoiceEvent]] = []
        self.signals: list[tuple[object, ...]] = []
        self.steps = 0
        self.refused = 0
        self._lazy, self._rest = lazy, rest
        self._judgings = 0
        self._last: tuple[object, ...] = ()

    def judge(self, now: int, whole: bool, moment: Moment | None) -> list[VoiceEvent]:
        """One judging, with what comes before it."""
        begun = len(self.said)
        self.emission.begin(0, now)
        at = instant(self.emission, now, whole)
        changed = False
        if moment is not None:
            for command in moment.commands:
                try:
                    self.voices.command(at, command)
                except BadPoint:
                    self.refused += 1
            before = dict(self.facts.given)
            self.facts.given.update(moment.truths)
            self.facts.excesses.update(moment.excesses)
            changed = before != self.facts.given
        if not self._lazy or now >= self.voices.signals_due:
            self._last = tuple(self.voices.signals(now, whole))
        self.signals.append(self._last)
        if not self._lazy or changed or now >= self.voices.due:
            self.steps += 1
            self.voices.step(at, self.facts)
        self.said += [(now, output.value) for output in self.emission.outputs if isinstance(output.value, VoiceEvent)]
        self._judgings += 1
        if self._rest and self._judgings % self._rest == 0:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.voices.dump()))
            self.voices = Voices(self.spec)
            self.voices.load(state)
        return [event for _, event in self.said[begun:]]

    def play(self, moments: list[Moment]) -> Run:
        """All judgings of these moments."""
        for now, whole, moment in at_whole_seconds(moments):
            self.judge(now, whole, moment)
        return self


@cases(60)
@given(_MOMENTS, _CONFIGS)
def test_the_voices_do_what_the_law_read_literally_does(moments: list[Moment], config: living.Voices) -> None:
    """The state machine and an implementation that keeps nothing but its own words say the same."""
    run, reference = Run(config), ReferenceVoices(config)
    for now, whole, moment in at_whole_seconds(moments):
        expected: list[Said] = []
        for command in moment.commands if moment is not None else []:
            if not isinstance(command, type(acknowledge(""))):
                expected += reference.command(now, "muted" if isinstance(command, type(mute(""))) else "unmuted", command.voice)
        said = run.judge(now, whole, moment)
        truths = {text: run.facts.given.get(text) for text in RULES}
        expected += reference.judge(now, truths, {text: run.facts.excesses.get(text, 0.0) for text in RULES})
        kept = [event for event in said if event.event not in ("symbol", "mode", "acknowledged")]
        assert [(e.event, e.voice, e.against) for e in kept] == [(e.event, e.voice, e.against) for e in expected]
        assert [e.rule for e in kept if e.event == "activated"] == [e.rule for e in expected if e.event == "activated"]
        assert run.voices.active == [name for name in config.voices if reference.is_active(name)]
        assert run.voices.queued == reference.queue()


@cases(40)
@given(_MOMENTS, _CONFIGS)
def test_no_opposing_pair_is_ever_active_together(moments: list[Moment], config: living.Voices) -> None:
    """After every single event at most one of each pair is active, and nobody is active and queued at once."""
    for _, event in Run(config).play(moments).said:
        for pair in config.opposing:
            assert not set(pair.pair) <= set(event.active)
        assert not set(event.active) & set(event.queued)
        assert len(set(event.queued)) == len(event.queued)


@cases(40)
@given(_MOMENTS, _CONFIGS)
def test_a_cooldown_is_never_broken(moments: list[Moment], config: living.Voices) -> None:
    """No voice is activated within its cool-down from its silence, nor by a rule within the rule's from its last activation."""
    silent: dict[str, int] = {}
    used: dict[tuple[str, str | None], int] = {}
    speaking: set[str] = set()
    for now, event in Run(config).play(moments).said:
        name = event.voice
        if event.event == "activated":
            if name in silent:
                assert now - silent[name] >= config.cooldown
            cooldown = next(own.cooldown for own in config.voices[name].activate if own.when == event.rule)
            if (name, event.rule) in used:
                assert now - used[name, event.rule] >= cooldown
            used[name, event.rule] = now
            speaking.add(name)
        elif event.event in ENDS and name in speaking:
            silent[name] = now
            speaking.discard(name)


@cases(40)
@given(_MOMENTS, _CONFIGS)
def test_every_activation_has_one_end_and_no_early_one(moments: list[Moment], config: living.Voices) -> None:
    """Between two activations of a voice stands exactly one end; a deactivation stands at least a time-out after the activation."""
    run = Run(config).play(moments)
    for name in NAMES:
        begun: int | None = None
        for now, event in run.said:
            if event.voice != name:
                continue
            if event.event == "activated":
                assert begun is None
                begun = now
            elif event.event in ENDS:
                assert begun is not None or event.event == "muted"
                if event.event == "deactivated" and begun is not None:
                    assert now - begun >= config.voices[name].timeout
                begun = None
        assert (begun is not None) == (name in run.voices.active)


@cases(40)
@given(_MOMENTS, _CONFIGS)
def test_the_loser_of_a_conflict_is_never_lost(moments: list[Moment], config: living.Voices) -> None:
    """Whoever is pre-empted is queued at once, and whoever is queued waits until it is activated or dropped with a reason."""
    run = Run(config).play(moments)
    waiting: list[str] = []
    for place, (_, event) in enumerate(run.said):
        if event.event == "pre-empted":
            following = run.said[place + 1][1]
            assert (following.event, following.voice, following.against) == ("queued", event.voice, event.against)
        if event.event in ("queued", "pre-empted"):
            assert event.against
            assert event.reason
        if event.event == "queued":
            assert event.voice not in waiting
            waiting.append(event.voice)
        elif event.event == "activated" and event.voice in waiting:
            waiting.remove(event.voice)
        elif event.event == "dropped":
            assert event.reason
            waiting.remove(event.voice)
        if event.event not in ("symbol", "mode"):
            assert event.queued == waiting or event.event == "muted"
    assert run.voices.queued == waiting


# cello and aria wait for bell, who loses the word after their turn at that judging: the next one must not be left out
FREED = [
    Moment(1000, {rule(5): True, rule(20): True}),
    Moment(500, {rule(1): True}),
    Moment(500, {rule(8): True, rule(21): True}),
    Moment(3000),
]
ACKNOWLEDGED = [Moment(1500, {rule(1): True}), Moment(10, {}, {}, [acknowledge("aria")]), Moment(3000)]
FREED_BEFORE = [Moment(1500, {rule(5): True, rule(8): True, rule(2): True}), Moment(2000)]


@cases(40)
@example(FREED, NO_COOLDOWN)
@example(FREED_BEFORE, NO_COOLDOWN)
@example(ACKNOWLEDGED, SMALL)
@given(_MOMENTS, _CONFIGS)
def test_what_is_skipped_would_have_done_nothing(moments: list[Moment], config: living.Voices) -> None:
    """Left out when nothing changed and nothing is due, steps and signals give the same events and the same signals."""
    eager, lazy = Run(config).play(moments), Run(config, lazy=True).play(moments)
    assert lazy.said == eager.said
    assert lazy.signals == eager.signals
    assert lazy.voices.active == eager.voices.active
    assert lazy.steps <= eager.steps


@cases(40)
@given(_MOMENTS, _CONFIGS, st.integers(1, 5))
def test_dumped_and_loaded_voices_go_on_exactly(moments: list[Moment], config: living.Voices, rest: int) -> None:
    """Restored every few judgings, lazily judged, they say what undisturbed ones say."""
    undisturbed, restored = Run(config).play(moments), Run(config, lazy=True, rest=rest).play(moments)
    assert restored.said == undisturbed.said
    assert restored.signals == undisturbed.signals
    end = (sum(moment.gap for moment in moments) // 1000 + 1) * 1000
    assert restored.voices.figures(end) == undisturbed.voices.figures(end)
    assert restored.voices.signals(end, True) == undisturbed.voices.signals(end, True)
    assert restored.voices.dump() == undisturbed.voices.dump()


@cases(40)
@given(_MOMENTS, st.integers(1, 40), st.integers(0, 3))
def test_another_configuration_closes_what_it_does_not_have(moments: list[Moment], after: int, rest: int) -> None:
    """After `rebind` every activation still gets one end, no pair of the new configuration stays active, and the queue is told."""
    run = Run(SMALL, rest=rest)
    active: list[str] = []
    waiting: list[str] = []
    for place, (now, whole, moment) in enumerate(at_whole_seconds(moments)):
        if place == after:
            run.spec, facts = made(FEW)
            facts.given, facts.excesses = run.facts.given, run.facts.excesses
            run.facts = facts
            run.voices.rebind(run.spec)
        for event in run.judge(now, whole, moment):
            name = event.voice
            if event.event == "activated":
                assert name not in active
                active.append(name)
                waiting = [other for other in waiting if other != name]
            elif event.event in ENDS:
                assert name in active or event.event == "muted"
                active = [other for other in active if other != name]
            elif event.event == "queued":
                waiting.append(name)
            elif event.event == "dropped":
                waiting.remove(name)
        assert sorted(active) == sorted(run.voices.active)
        assert waiting == run.voices.queued
        if place >= after:
            assert not {"aria", "echo"} <= set(run.voices.active)


def test_a_silent_subject_has_no_state() -> None:
    """Judged a thousand times while nothing is true, voices keep nothing and ask for no judging."""
    run = Run(SMALL).play([Moment(1000) for _ in range(1000)])
    assert run.voices.dump() == []
    assert run.said == []
    assert run.voices.due > 10**15
    assert run.voices.signals_due > 10**15


@pytest.mark.parametrize("config", [SMALL, FEW])
def test_a_fresh_dump_loads_into_fresh_voices(config: living.Voices) -> None:
    """An empty state is the state of the beginning."""
    spec, _ = made(config)
    voices = Voices(spec)
    voices.load([])
    assert voices.dump() == []
    assert voices.active == []
    assert voices.symbol == "rest"
