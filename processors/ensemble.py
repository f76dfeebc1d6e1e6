"""The voices of one subject as they stand: who speaks, who waits, who is muted, and the figures and signals that follow.

No rules and no events here: `processors.voices` decides and tells, this keeps.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from mypy_extensions import mypyc_attr

from processors.instant import NEVER
from processors.polyphony import Figures, Polyphony, dissonance_of
from processors.voice_memory import Speaker, Waiting
from processors.voice_spec import VoicesSpec

MANY: Final = 3
"""So many active voices are `multiple_voices_active`."""


class VoiceSignals(NamedTuple):
    """The signals about voices, and the dissonance of the last minutes, as they stand after a judging."""

    conflict: bool
    multiple_voices_active: bool
    synthesis_completed: bool
    synthesis_readiness: float
    dissonance: float


@mypyc_attr(acyclic=True)
class Ensemble:
    """State of a subject's voices, by their places.

    Attributes:
        speakers: what is remembered of each voice; None: it never spoke; the list is empty while none ever did.
        queue: those that wait, the longest waiting first. muted: those that are, in order.
        leading: the leading voice (−1: all are silent). synthesized: the active synthesizer has merged the actions.
        polyphony: None while nobody spoke lately.
        signals_due: the earliest subject time (ms) at which `signals` could give other values than it last gave.
    """

    __slots__ = ("_measured", "_stale", "leading", "muted", "polyphony", "queue", "signals_due", "speakers", "spec", "synthesized")

    def __init__(self, spec: VoicesSpec) -> None:
        self.spec = spec
        self.speakers: list[Speaker | None] = []
        self.queue: list[Waiting] = []
        self.muted: list[int] = []
        self.leading = -1
        self.synthesized = False
        self.polyphony: Polyphony | None = None
        self.signals_due = 0
        # acknowledged, recent, dissonant ms, pair ms: the inputs of the readiness as last measured, at a whole second; empty: all 0
        self._measured: list[int] = []
        self._stale = False  # something has changed since then

    def speaker(self, place: int) -> Speaker | None:
        """What is remembered of a voice; None: it never spoke."""
        return self.speakers[place] if self.speakers else None

    def made_speaker(self, place: int) -> Speaker:
        """What is remembered of a voice, from now on."""
        if not self.speakers:
            self.speakers = [None] * len(self.spec.voices)
        speaker = self.speakers[place]
        if speaker is None:
            speaker = Speaker(len(self.spec.voices[place].activations))
            self.speakers[place] = speaker
        return speaker

    def is_active(self, place: int) -> bool:
        """Whether a voice speaks."""
        speaker = self.speaker(place)
        return speaker is not None and speaker.rule >= 0

    def active(self) -> list[int]:
        """The voices that speak, in the order of the table."""
        return [place for place, speaker in enumerate(self.speakers) if speaker is not None and speaker.rule >= 0]

    def waiting(self, place: int) -> Waiting | None:
        """The voice's place in the queue; None: it does not wait."""
        for waiting in self.queue:
            if waiting.voice == place:
                return waiting
        return None

    def name(self, place: int) -> str | None:
        """A voice's name; None for −1."""
        return self.spec.voices[place].name if place >= 0 else None

    def begin(self, place: int, now: int, rule: int, done: bool) -> None:
        """A voice is activated by its rule number `rule`; `done`: its deactivation rule holds already."""
        waiting = self.waiting(place)
        if waiting is not None:
            self.queue.remove(waiting)
        self.made_speaker(place).begin(now, rule, done)
        self.lead()

    def end(self, place: int, now: int) -> None:
        """An active voice falls silent."""
        self.made_speaker(place).end(now)
        if place == self.spec.synthesizer:
            self.synthesized = False
        self.lead()

    def lead(self) -> None:
        """Finds the leading voice: highest priority, then longest active, then the table's first."""
        self.leading = -1
        best = (0, 0)
        for place in self.active():
            speaker = self.made_speaker(place)
            key = (self.spec.voices[place].activations[speaker.rule].rank, speaker.since)
            if self.leading < 0 or key < best:
                self.leading, best = place, key

    def dissonant(self) -> int:
        """How many opposing pairs have one voice active and the other queued."""
        count = 0
        for waiting in self.queue:
            for pair in self.spec.voices[waiting.voice].pairs:
                if self.is_active(pair.other(waiting.voice)):
                    count += 1
        return count

    def changed(self, now: int) -> None:
        """After any change: the figures go on from here, and the signals are to be read anew."""
        self._stale = True
        self.signals_due = 0
        mask = 0
        for place in self.active():
            mask |= 1 << place
        dissonant = self.dissonant()
        if self.polyphony is None:
            if not mask and not dissonant:
                return
            self.polyphony = Polyphony(self.spec)
        self.polyphony.change(now, mask, dissonant)

    def signals(self, now: int, whole: bool) -> VoiceSignals:
        """The signals about voices; `whole`: the judging is at a whole second, where readiness and dissonance move."""
        if whole:
            self._measure(now)
        dissonance = readiness = 0.0
        if self._measured:
            acknowledged, recent, dissonant_ms, pair_ms = self._measured
            dissonance = dissonance_of(dissonant_ms, pair_ms)
            readiness = acknowledged / recent * (1.0 - dissonance) if recent else 0.0
        self.signals_due = self._next_signals(now)
        return VoiceSignals(self.dissonant() > 0, len(self.active()) >= MANY, self.synthesized, readiness, dissonance)

    def figures(self, now: int) -> Figures:
        """The polyphony figures over the span that ends at `now`, subject ms."""
        polyphony = self.polyphony if self.polyphony is not None else Polyphony(self.spec)
        polyphony.advance(now)
        return polyphony.figures(self.is_active(self.spec.synthesizer))

    def dump(self) -> list[Any]:
        """The state as plain values; empty while nothing is to be remembered."""
        state = [
            [[place, *speaker.dump()] for place, speaker in enumerate(self.speakers) if speaker is not None],
            [waiting.dump() for waiting in self.queue],
            list(self.muted),
            self.polyphony.dump() if self.polyphony is not None else [],
            list(self._measured),
        ]
        return [*state, self.synthesized] if any(state) else []

    def load(self, state: list[Any]) -> None:
        """Takes the state of `dump` back, under the same configuration."""
        speakers, queue, muted, polyphony, measured, synthesized = state or [[], [], [], [], [], False]
        self.speakers = []
        for place, *told in speakers:
            self.made_speaker(place).load(told)
        self.queue = [Waiting(voice, against, rule) for voice, against, rule in queue]
        self.muted = list(muted)
        self.polyphony = None
        if polyphony:
            self.polyphony = Polyphony(self.spec)
            self.polyphony.load(polyphony)
        self._measured = list(measured)
        self.synthesized = synthesized
        # to measure anew at the next whole second gives the same, if nothing has changed
        self._stale = True
        self.signals_due = 0
        self.lead()

    def rebind(self, spec: VoicesSpec) -> tuple[list[str], list[str]]:
        """Another configuration: what has the same name stays.

        Returns:
            The names of the voices that were active, and of those that waited, which the new configuration does not have.
        """
        old = self.spec
        places = [spec.places.get(voice.name, -1) for voice in old.voices]
        speakers, queue = self.speakers, self.queue
        self.spec = spec
        self.speakers = []
        self.queue = []
        silenced: list[str] = []
        dropped: list[str] = []
        for place, speaker in enumerate(speakers):
            if speaker is None:
                continue
            new = places[place]
            if new >= 0:
                self.made_speaker(new)
                self.speakers[new] = speaker.moved(old.voices[place], spec.voices[new])
            elif speaker.rule >= 0:
                silenced.append(old.voices[place].name)
        for waiting in queue:
            new = places[waiting.voice]
            if new < 0:
                dropped.append(old.voices[waiting.voice].name)
                continue
            against = places[waiting.against] if waiting.against >= 0 else -1
            self.queue.append(Waiting(new, against, min(waiting.rule, len(spec.voices[new].activations) - 1)))
        self.muted = sorted([places[place] for place in self.muted if places[place] >= 0])
        if places[old.synthesizer] != spec.synthesizer:
            self.synthesized = False
        if self.polyphony is not None:
            self.polyphony.rebind(spec, places)
        self._stale = True
        self.signals_due = 0
        self.lead()
        return silenced, dropped

    def _measure(self, now: int) -> None:
        """The inputs of the readiness at a whole second."""
        self._stale = False
        dissonant_ms = pair_ms = 0
        if self.polyphony is not None:
            self.polyphony.advance(now)
            if self.polyphony.empty:
                self.polyphony = None
            elif self.polyphony.dissonant_ms:
                # without dissonance its share is 0 whatever the pairs: not kept, lest it move for nothing
                dissonant_ms, pair_ms = self.polyphony.dissonant_ms, self.polyphony.pair_ms
        acknowledged = recent = 0
        for speaker in self.speakers:
            if speaker is not None and (speaker.rule >= 0 or speaker.silent_at > now - self.spec.readiness):
                recent += 1
                acknowledged += speaker.acknowledged
        self._measured = [acknowledged, recent, dissonant_ms, pair_ms] if recent or dissonant_ms else []

    def _next_signals(self, now: int) -> int:
        second = now // 1000 * 1000 + 1000
        polyphony = self.polyphony
        if self._stale or (polyphony is not None and polyphony.moving):
            return second
        due = NEVER
        if polyphony is not None:
            due = polyphony.empty_at
        for speaker in self.speakers:
            if speaker is not None and speaker.rule < 0 and speaker.silent_at > now - self.spec.readiness:
                due = min(due, speaker.silent_at + self.spec.readiness)
        return due if due == NEVER else max(-(-due // 1000) * 1000, second)
