"""Semantics §8.2–§8.4 read literally: nothing is kept but what was true at each judging and what was said.

Whether a voice speaks, waits, is muted, or since when it is silent, is read from what was said each time anew; whether a
rule has held for a time-out, from all judgings back to the one where it began. Slow, and shares no code with `processors`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from schemas import living

RANK = {"critical": 0, "high": 1, "medium": 2}
ENDS = ("deactivated", "pre-empted", "muted")

Truths = dict[str, bool | None]
Excesses = dict[str, float]


@dataclass(frozen=True)
class Said:
    """Something that a voice did: at which judging (its number) and time (ms), by which activation rule (its text)."""

    judging: int
    now: int
    event: str
    voice: str
    against: str | None = None
    rule: str | None = None


@dataclass(frozen=True)
class Judging:
    """What was true at a judging, by text of the rule, and how far beyond each was."""

    now: int
    truths: Truths
    excesses: Excesses


class ReferenceVoices:
    """The voices of one subject."""

    def __init__(self, voices: living.Voices) -> None:
        self.config = voices
        self.judgings: list[Judging] = []
        self.said: list[Said] = []

    def judge(self, now: int, truths: Truths, excesses: Excesses) -> list[Said]:
        """One judging; returns what is said at it."""
        self.judgings.append(Judging(now, dict(truths), dict(excesses)))
        begun = len(self.said)
        # 2. an active voice falls silent
        for name, voice in self.config.voices.items():
            if not self.is_active(name):
                continue
            rules = [activation.when for activation in voice.activate]
            done = self.held_for(name, voice.timeout, lambda j, rule=voice.silent_when: j.truths[rule] is True)  # type: ignore[misc]
            quiet = self.held_for(name, voice.timeout, lambda j, rules=rules: all(j.truths[rule] is not True for rule in rules))  # type: ignore[misc]
            if done or quiet:
                self.say("deactivated", name)
        # 3. a silent voice is eligible
        eligible = [name for name in self.config.voices if not self.is_active(name) and self.rule_of(name) is not None]
        # 4. eligible voices in order
        for name in sorted(eligible, key=self.order):
            self.admit(name)
        for name in self.queue():
            if all(self.judgings[-1].truths[activation.when] is not True for activation in self.config.voices[name].activate):
                self.say("dropped", name, self.lost_against(name))
        synthesizer = self.config.synthesizer
        begun_to_speak = self.last(synthesizer, "activated")
        if self.is_active(synthesizer) and begun_to_speak is not None and begun_to_speak.judging == len(self.judgings) - 1:
            self.say("synthesized", synthesizer)
        return self.said[begun:]

    def command(self, now: int, event: str, voice: str) -> list[Said]:
        """`muted` or `unmuted`, between judgings; nothing is said if it makes no sense."""
        if (event == "muted") == self.is_muted(voice):
            return []
        against = self.lost_against(voice) if event == "muted" and voice in self.queue() else None
        begun = len(self.said)
        self.said.append(Said(len(self.judgings) - 1, now, event, voice))
        if against is not None:
            self.said.append(Said(len(self.judgings) - 1, now, "dropped", voice, against))
        return self.said[begun:]

    def admit(self, name: str) -> None:
        """An eligible voice: it speaks, or its conflict is decided, once."""
        opponents = [other for other in self.opponents(name) if self.is_active(other)]
        rule = self.rule_of(name)
        assert rule is not None
        if not opponents:
            self.say("activated", name, self.lost_against(name) if name in self.queue() else None, rule.when)
            return
        critical_guardian = name == self.config.guardian and rule.priority == "critical"
        if name in self.queue() and not critical_guardian:
            return
        for other in opponents:
            if not self.wins(name, other):
                self.say("queued", name, other)
                return
        for other in opponents:
            self.say("pre-empted", other, name)
            self.say("queued", other, name)
        self.say("activated", name, opponents[0], rule.when)

    def wins(self, challenger: str, active: str) -> bool:
        """Whether the challenger wins against the active voice."""
        guardian = self.config.guardian
        own, challenging = self.own_rule(active), self.rule_of(challenger)
        assert challenging is not None
        if guardian == challenger and challenging.priority == "critical":
            return True
        if guardian == active and own.priority == "critical":
            return False
        pair = next(pair for pair in self.config.opposing if set(pair.pair) == {challenger, active})
        if self.judgings[-1].truths[pair.when] is True:
            return pair.prefer == challenger
        if pair.otherwise is not None:
            return pair.otherwise == challenger
        return self.order_by(challenger, challenging) < self.order_by(active, own)

    def order(self, name: str) -> tuple[int, float, int, int]:
        """Priority, how far beyond, longest silent, the table."""
        rule = self.rule_of(name)
        assert rule is not None
        return self.order_by(name, rule)

    def order_by(self, name: str, rule: living.Activation) -> tuple[int, float, int, int]:
        """The same by a given rule."""
        ended = self.last(name, *ENDS, while_active=True)
        silent_at = -1 if ended is None else ended.now
        return RANK[rule.priority], -self.judgings[-1].excesses[rule.when], silent_at, list(self.config.voices).index(name)

    def rule_of(self, name: str) -> living.Activation | None:
        """The rule by which a silent voice is eligible, the first in order; None: it is not."""
        now = self.judgings[-1].now
        ended = self.last(name, *ENDS, while_active=True)
        if self.is_muted(name) or (ended is not None and now < ended.now + self.config.cooldown):
            return None
        fit = []
        for place, rule in enumerate(self.config.voices[name].activate):
            used = [said for said in self.said if (said.event, said.voice, said.rule) == ("activated", name, rule.when)]
            if self.judgings[-1].truths[rule.when] is True and (not used or now >= used[-1].now + rule.cooldown):
                fit.append((RANK[rule.priority], -self.judgings[-1].excesses[rule.when], place))
        return self.config.voices[name].activate[min(fit)[2]] if fit else None

    def own_rule(self, name: str) -> living.Activation:
        """The rule by which an active voice was activated."""
        begun = self.last(name, "activated")
        assert begun is not None
        return next(rule for rule in self.config.voices[name].activate if rule.when == begun.rule)

    def held_for(self, name: str, timeout: int, holds: Callable[[Judging], bool]) -> bool:
        """Whether something has held at every judging for at least the time-out, since the voice was activated."""
        begun = self.last(name, "activated")
        assert begun is not None
        since = None
        for judging in reversed(self.judgings[begun.judging :]):
            if not holds(judging):
                break
            since = judging.now
        return since is not None and self.judgings[-1].now - since >= timeout

    def is_active(self, name: str) -> bool:
        """Whether the last thing that began or ended its speaking began it."""
        last = self.last(name, "activated", *ENDS)
        return last is not None and last.event == "activated"

    def is_muted(self, name: str) -> bool:
        """Whether it is muted."""
        last = self.last(name, "muted", "unmuted")
        return last is not None and last.event == "muted"

    def queue(self) -> list[str]:
        """Those that wait, the longest waiting first."""
        waiting: list[str] = []
        for said in self.said:
            if said.event == "queued":
                waiting.append(said.voice)
            elif said.event in ("activated", "dropped") and said.voice in waiting:
                waiting.remove(said.voice)
        return waiting

    def lost_against(self, name: str) -> str | None:
        """To whom a waiting voice lost."""
        last = self.last(name, "queued")
        return None if last is None else last.against

    def opponents(self, name: str) -> list[str]:
        """The voices that a voice opposes, in the order of the pairs."""
        return [other for pair in self.config.opposing if name in pair.pair for other in pair.pair if other != name]

    def last(self, name: str, *events: str, while_active: bool = False) -> Said | None:
        """The last of these events of a voice; `while_active`: only those that ended its speaking."""
        speaking = False
        found = None
        for said in self.said:
            if said.voice != name:
                continue
            if said.event in events and (speaking or not while_active):
                found = said
            if said.event == "activated":
                speaking = True
            elif said.event in ENDS:
                speaking = False
        return found

    def say(self, event: str, voice: str, against: str | None = None, rule: str | None = None) -> None:
        """Says something at the present judging."""
        self.said.append(Said(len(self.judgings) - 1, self.judgings[-1].now, event, voice, against, rule))
