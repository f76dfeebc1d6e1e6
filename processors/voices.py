"""The seven voices of one subject: who speaks, who waits, and why (semantics §8.2–8.5).

At each judging: active voices fall silent whose time-out is over; silent ones that are eligible are activated in order, or
meet an opponent, which is decided once; losers wait until the opponent is silent, or are dropped when no rule of theirs
holds any more; Iskra, active, merges what the others suggest; then the ritual symbol and the tonal mode follow.
"""

from __future__ import annotations

from typing import Any

from mypy_extensions import mypyc_attr

from processors.conflicts import Candidate, Verdict, best_rule, decide, holds_any, next_due
from processors.ensemble import Ensemble, VoiceSignals
from processors.facts import Facts
from processors.instant import NEVER, Instant
from processors.polyphony import Figures
from processors.symbols import fitting_mode, mode_reason, standing_symbol
from processors.synthesis import synthesize
from processors.voice_memory import NEVER_YET, Speaker, Waiting
from processors.voice_spec import CRITICAL, PRIORITIES, PairSpec, VoiceSpec, VoicesSpec
from schemas.commands import AcknowledgeVoice, MuteVoice, UnmuteVoice
from schemas.events import TermValue, VoiceEvent, VoiceWhat
from schemas.points import BadPoint
from schemas.topics import VOICES


@mypyc_attr(acyclic=True)
class Voices:
    """State machine of one subject's voices.

    Attributes:
        due: the earliest subject time (ms) at which `step` could do anything while no rule's truth changes.
        symbol, mode: the ritual symbol that stands, and the tonal mode (None: neutral).
    """

    __slots__ = ("_ensemble", "_gone", "_rebound", "_spec", "_touched", "due", "mode", "symbol")

    def __init__(self, spec: VoicesSpec) -> None:
        self._spec = spec
        self._ensemble = Ensemble(spec)
        self._gone: list[tuple[str, VoiceWhat]] = []  # closes to say: of voices that another configuration does not have
        self._rebound = False
        self._touched = False  # this step has changed who speaks or waits
        self.symbol = spec.resting.name
        self.mode: str | None = None
        self.due = 0

    @property
    def active(self) -> list[str]:
        """Names of the active voices, in the order of the table."""
        return [self._spec.voices[place].name for place in self._ensemble.active()]

    @property
    def queued(self) -> list[str]:
        """Names of the voices that wait, the longest waiting first."""
        return [self._spec.voices[waiting.voice].name for waiting in self._ensemble.queue]

    @property
    def muted(self) -> list[str]:
        """Names of the muted voices, in the order of the table."""
        return [self._spec.voices[place].name for place in self._ensemble.muted]

    @property
    def leading(self) -> str | None:
        """The active voice of highest priority, then longest active, then the table's first; None: all are silent."""
        return self._ensemble.name(self._ensemble.leading)

    @property
    def signals_due(self) -> int:
        """The earliest subject time (ms) at which `signals` could give other values than it last gave."""
        return self._ensemble.signals_due

    def signals(self, now: int, whole: bool) -> VoiceSignals:
        """The signals about voices for the judging at `now`, from the state after the previous one: to be called before `step`.

        Args:
            now: subject time of the judging, ms. whole: it is a whole second; readiness and dissonance move at these alone.
        """
        return self._ensemble.signals(now, whole)

    def figures(self, now: int) -> Figures:
        """The polyphony figures over the span that ends at `now` (a whole second, not before the last judging)."""
        return self._ensemble.figures(now)

    def step(self, instant: Instant, facts: Facts) -> None:
        """One judging."""
        now = instant.now
        spec = self._spec
        ensemble = self._ensemble
        if self._rebound:
            self._resettle(instant, facts)
        candidates: list[Candidate] = []
        busy = False
        for voice in spec.voices:
            holding = holds_any(voice, facts)
            speaker = ensemble.speaker(voice.place)
            if speaker is not None and speaker.rule >= 0:
                busy = True
                if not self._fall_silent(instant, facts, voice, speaker, holding):
                    continue
            if holding and voice.place not in ensemble.muted:
                busy = True
                rule, excess = best_rule(voice, facts, speaker, now, spec.cooldown)
                if rule >= 0:
                    silent_at = NEVER_YET if speaker is None else speaker.silent_at
                    candidates.append(Candidate(voice, rule, excess, silent_at))
        if candidates:
            candidates.sort(key=lambda candidate: candidate.order())
            for candidate in candidates:
                self._admit(instant, facts, candidate)
        if ensemble.queue:
            self._drop_idle(instant, facts)
        if not ensemble.synthesized and ensemble.is_active(spec.synthesizer):
            self._synthesize(instant, facts)
        self._judge_symbol(instant, facts)
        if self._touched:
            self._touched = False
            ensemble.changed(now)
        self.due = next_due(ensemble, facts, now) if busy else NEVER

    def command(self, instant: Instant, command: AcknowledgeVoice | MuteVoice | UnmuteVoice) -> None:
        """A person's or the subject's command; what follows from it is decided at the next judging.

        Raises:
            BadPoint: `bad_command`: no such voice, or it makes no sense now.
        """
        ensemble = self._ensemble
        now = instant.now
        place = self._spec.places.get(command.voice, -1)
        if place < 0:
            raise BadPoint("bad_command", f"{command.voice}: no such voice")
        speaker = ensemble.speaker(place)
        if isinstance(command, AcknowledgeVoice):
            if speaker is None or (speaker.rule < 0 and now - speaker.silent_at >= self._spec.readiness):
                raise BadPoint("bad_command", f"{command.voice} has suggested nothing lately")
            if speaker.acknowledged:
                raise BadPoint("bad_command", f"{command.voice}: its response actions are acknowledged already")
            speaker.acknowledged = True
            self._say(instant, "acknowledged", command.voice, by=command.who, why=command.why)
        elif isinstance(command, MuteVoice):
            if place in ensemble.muted:
                raise BadPoint("bad_command", f"{command.voice} is muted already")
            ensemble.muted.append(place)
            ensemble.muted.sort()
            if ensemble.is_active(place):
                ensemble.end(place, now)
            self._say(instant, "muted", command.voice, by=command.who, why=command.why)
            waiting = ensemble.waiting(place)
            if waiting is not None:
                ensemble.queue.remove(waiting)
                against = ensemble.name(waiting.against)
                self._say(instant, "dropped", command.voice, against=against, reason="it is muted", by=command.who, why=command.why)
        else:
            if place not in ensemble.muted:
                raise BadPoint("bad_command", f"{command.voice} is not muted")
            ensemble.muted.remove(place)
            self._say(instant, "unmuted", command.voice, by=command.who, why=command.why)
        ensemble.changed(now)
        self.due = 0

    def dump(self) -> list[Any]:
        """The state as plain values; empty while nothing is to be remembered."""
        state = self._ensemble.dump()
        if not state and not self._rebound and self.symbol == self._spec.resting.name and self.mode is None:
            return []
        return [state, [[name, what] for name, what in self._gone], self._rebound, self.symbol, self.mode]

    def load(self, state: list[Any]) -> None:
        """Takes the state of `dump` back, under the same configuration."""
        ensemble, gone, self._rebound, self.symbol, self.mode = state or [[], [], False, self._spec.resting.name, None]
        self._ensemble.load(ensemble)
        self._gone = [(name, what) for name, what in gone]
        self._touched = False
        self.due = 0

    def rebind(self, spec: VoicesSpec) -> None:
        """Another configuration from here on: what has the same name stays, the rest is closed at the next `step`."""
        self._spec = spec
        silenced, dropped = self._ensemble.rebind(spec)
        for name in silenced:
            self._gone.append((name, "deactivated"))
        for name in dropped:
            self._gone.append((name, "dropped"))
        self._rebound = True
        self.due = 0

    def close(self, instant: Instant, reason: str) -> None:
        """Ends what is open, because the subject is forgotten or left alone: who speaks falls silent, who waits is dropped."""
        ensemble = self._ensemble
        for waiting in list(ensemble.queue):
            ensemble.queue.remove(waiting)
            self._say(instant, "dropped", self._spec.voices[waiting.voice].name, reason=reason, against=ensemble.name(waiting.against))
        for place in ensemble.active():
            ensemble.end(place, instant.now)
            self._say(instant, "deactivated", self._spec.voices[place].name, reason=reason)
        ensemble.changed(instant.now)
        self.due = 0

    # Falling silent, speaking, waiting

    def _fall_silent(self, instant: Instant, facts: Facts, voice: VoiceSpec, speaker: Speaker, holding: bool) -> bool:
        """Moves the time-outs of an active voice; tells whether it fell silent."""
        now = instant.now
        if facts.holds(voice.silent_rule) is not True:
            speaker.done_since = None
        elif speaker.done_since is None:
            speaker.done_since = now
        if holding:
            speaker.quiet_since = None
        elif speaker.quiet_since is None:
            speaker.quiet_since = now
        activation = voice.activations[speaker.rule]
        seconds = voice.timeout / 1000
        if speaker.done_since is not None and now - speaker.done_since >= voice.timeout:
            text, rule = voice.silent_text, voice.silent_rule
            reason = f"its deactivation rule has held for {seconds:g} s"
        elif speaker.quiet_since is not None and now - speaker.quiet_since >= voice.timeout:
            text, rule = activation.text, activation.rule
            reason = f"no activation rule of its has held for {seconds:g} s"
        else:
            return False
        self._ensemble.end(voice.place, now)
        self._touched = True
        self._say(instant, "deactivated", voice.name, PRIORITIES[activation.rank], text, facts.terms(rule), reason=reason)
        return True

    def _admit(self, instant: Instant, facts: Facts, candidate: Candidate) -> None:
        """An eligible voice speaks, or meets its active opponents."""
        ensemble = self._ensemble
        place = candidate.voice.place
        waiting = ensemble.waiting(place)
        meets = [pair for pair in candidate.voice.pairs if ensemble.is_active(pair.other(place))]
        if not meets:
            against = ensemble.name(waiting.against) if waiting is not None else None
            reason = None
            if waiting is not None:
                reason = f"it waited until {against} was silent" if against is not None else "it waited, and no opponent speaks"
            self._activate(instant, facts, candidate, against, reason)
            return
        # a conflict is decided once; but what the guardian lost at a lower priority does not stop it at critical
        if waiting is not None and not (place == self._spec.guardian and candidate.rank == CRITICAL):
            return
        verdicts: list[Verdict] = []
        for pair in meets:
            verdict = decide(self._spec, pair, candidate, self._side(pair.other(place), facts), facts)
            if not verdict.wins:
                self._enqueue(instant, facts, candidate, pair.other(place), verdict)
                return
            verdicts.append(verdict)
        against = ensemble.name(meets[0].other(place))
        for pair, verdict in zip(meets, verdicts, strict=True):
            self._preempt(instant, facts, pair, candidate, verdict)
        self._activate(instant, facts, candidate, against, verdicts[0].reason)

    def _activate(self, instant: Instant, facts: Facts, candidate: Candidate, against: str | None, reason: str | None) -> None:
        voice = candidate.voice
        activation = voice.activations[candidate.rule]
        self._ensemble.begin(voice.place, instant.now, candidate.rule, facts.holds(voice.silent_rule) is True)
        self._touched = True
        terms = facts.terms(activation.rule)
        priority = PRIORITIES[activation.rank]
        self._say(instant, "activated", voice.name, priority, activation.text, terms, against, reason, list(voice.actions))

    def _preempt(self, instant: Instant, facts: Facts, pair: PairSpec, winner: Candidate, verdict: Verdict) -> None:
        """The active voice of a pair gives way, and waits."""
        loser = self._side(pair.other(winner.voice.place), facts)
        self._ensemble.end(loser.voice.place, instant.now)
        self._touched = True
        terms = facts.terms(verdict.rule)
        priority = PRIORITIES[loser.rank]
        self._say(instant, "pre-empted", loser.voice.name, priority, verdict.text, terms, winner.voice.name, verdict.reason)
        self._enqueue(instant, facts, loser, winner.voice.place, verdict)

    def _enqueue(self, instant: Instant, facts: Facts, loser: Candidate, against: int, verdict: Verdict) -> None:
        """The loser of a conflict waits."""
        self._ensemble.queue.append(Waiting(loser.voice.place, against, loser.rule))
        self._touched = True
        terms = facts.terms(verdict.rule)
        name = self._ensemble.name(against)
        self._say(instant, "queued", loser.voice.name, PRIORITIES[loser.rank], verdict.text, terms, name, verdict.reason)

    def _drop_idle(self, instant: Instant, facts: Facts) -> None:
        """Voices that wait for nothing any more leave the queue."""
        for waiting in list(self._ensemble.queue):
            voice = self._spec.voices[waiting.voice]
            if holds_any(voice, facts):
                continue
            self._ensemble.queue.remove(waiting)
            self._touched = True
            activation = voice.activations[waiting.rule]
            terms = facts.terms(activation.rule)
            against = self._ensemble.name(waiting.against)
            reason = "no rule of its holds any more"
            self._say(instant, "dropped", voice.name, PRIORITIES[activation.rank], activation.text, terms, against, reason)

    def _resettle(self, instant: Instant, facts: Facts) -> None:
        """After another configuration: closes of voices that it does not have, and pairs that oppose each other only now."""
        for name, what in self._gone:
            self._say(instant, what, name, reason="the configuration does not have it any more")
        self._gone = []
        self._rebound = False
        self._touched = True
        for pair in self._spec.pairs:
            if self._ensemble.is_active(pair.first) and self._ensemble.is_active(pair.second):
                first, second = self._side(pair.first, facts), self._side(pair.second, facts)
                verdict = decide(self._spec, pair, first, second, facts)
                self._preempt(instant, facts, pair, first if verdict.wins else second, verdict)

    def _side(self, place: int, facts: Facts) -> Candidate:
        """An active voice, with its own rule, as a side of a conflict."""
        speaker = self._ensemble.made_speaker(place)
        voice = self._spec.voices[place]
        return Candidate(voice, speaker.rule, facts.excess(voice.activations[speaker.rule].rule), speaker.silent_at)

    # Synthesis, symbol, mode

    def _synthesize(self, instant: Instant, facts: Facts) -> None:
        spec = self._spec
        ensemble = self._ensemble
        speaking = ensemble.active()
        speaking.sort(key=lambda place: ensemble.made_speaker(place).since)
        actions, dropped = synthesize(spec, speaking, ensemble.leading)
        ensemble.synthesized = True
        self._touched = True
        activation = spec.voices[spec.synthesizer].activations[ensemble.made_speaker(spec.synthesizer).rule]
        terms = facts.terms(activation.rule)
        priority = PRIORITIES[activation.rank]
        self._say(
            instant, "synthesized", spec.voices[spec.synthesizer].name, priority, activation.text, terms, actions=actions, dropped=dropped
        )

    def _judge_symbol(self, instant: Instant, facts: Facts) -> None:
        symbol = standing_symbol(self._spec, facts)
        if symbol.name != self.symbol:
            self.symbol = symbol.name
            terms = [] if symbol.rule < 0 else facts.terms(symbol.rule)
            reason = f"ritual: {symbol.ritual}"
            self._say(instant, "symbol", symbol.voice or "all", None, symbol.text, terms, reason=reason)
        leading = self.leading
        mode = fitting_mode(self._spec, self.symbol, leading)
        name = None if mode is None else mode.name
        if name != self.mode:
            self.mode = name
            reason = mode_reason(mode, self.symbol, leading)
            self._say(instant, "mode", "" if mode is None else mode.voice, reason=reason)

    # Events

    def _say(
        self,
        instant: Instant,
        what: VoiceWhat,
        voice: str,
        priority: str | None = None,
        rule: str | None = None,
        terms: list[TermValue] | None = None,
        against: str | None = None,
        reason: str | None = None,
        actions: list[str] | None = None,
        dropped: dict[str, str] | None = None,
        by: str | None = None,
        why: str | None = None,
    ) -> None:
        message = VoiceEvent(
            tenant=instant.tenant,
            subject=instant.subject,
            voice=voice,
            event=what,
            priority=priority,
            rule=rule,
            terms=terms or [],
            against=against,
            reason=reason,
            leading=self.leading,
            symbol=self.symbol,
            mode=self.mode,
            active=self.active,
            queued=self.queued,
            actions=actions or [],
            dropped=dropped or {},
            by=by,
            why=why,
            evidence=instant.cause(),
            config=instant.config,
        )
        instant.say(VOICES, message)
