"""Which voices are eligible and when, their order, and who speaks when an opponent is active (semantics §8.3–8.4)."""

from __future__ import annotations

from processors.ensemble import Ensemble
from processors.facts import Facts
from processors.instant import NEVER
from processors.voice_memory import Speaker
from processors.voice_spec import CRITICAL, PRIORITIES, PairSpec, VoiceSpec, VoicesSpec


class Candidate:
    """A voice that wants to speak, or speaks, by its rule number `rule`.

    Attributes:
        excess: how far its rule is beyond, 0–1. silent_at: when it last fell silent (ms; −1: never yet).
    """

    __slots__ = ("excess", "rank", "rule", "silent_at", "voice")

    def __init__(self, voice: VoiceSpec, rule: int, excess: float, silent_at: int) -> None:
        self.voice = voice
        self.rule = rule
        self.rank = voice.activations[rule].rank
        self.excess = excess
        self.silent_at = silent_at

    def order(self) -> tuple[int, float, int, int]:
        """Sorts first what speaks first: priority, how far beyond, longest silent, the table."""
        return self.rank, -self.excess, self.silent_at, self.voice.place


class Verdict:
    """Who speaks: whether the challenger wins, why, and the rule (number in the book, text) that decided."""

    __slots__ = ("reason", "rule", "text", "wins")

    def __init__(self, wins: bool, reason: str, rule: int, text: str) -> None:
        self.wins = wins
        self.reason = reason
        self.rule = rule
        self.text = text


def holds_any(voice: VoiceSpec, facts: Facts) -> bool:
    """Whether an activation rule of the voice is true."""
    return any(facts.holds(activation.rule) is True for activation in voice.activations)


def best_rule(voice: VoiceSpec, facts: Facts, speaker: Speaker | None, now: int, cooldown: int) -> tuple[int, float]:
    """The place of the rule by which a silent voice is eligible and its excess: the first in order; −1: it is not.

    Args:
        speaker: what is remembered of it (None: it never spoke). cooldown: the voices' own, ms.
    """
    if speaker is not None and now - speaker.silent_at < cooldown and speaker.silent_at >= 0:
        return -1, 0.0
    best = -1
    rank = 0
    excess = 0.0
    for place, activation in enumerate(voice.activations):
        if facts.holds(activation.rule) is not True:
            continue
        if speaker is not None and speaker.activated[place] >= 0 and now - speaker.activated[place] < activation.cooldown:
            continue
        beyond = facts.excess(activation.rule)
        if best < 0 or activation.rank < rank or (activation.rank == rank and beyond > excess):
            best, rank, excess = place, activation.rank, beyond
    return best, excess


def decide(spec: VoicesSpec, pair: PairSpec, challenger: Candidate, active: Candidate, facts: Facts) -> Verdict:
    """Decides the conflict of a pair: the guardian at critical, else the pair's rule, else the order of the voices."""
    for side in (challenger, active):
        if side.voice.place == spec.guardian and side.rank == CRITICAL:
            return _won(side, challenger, f"{side.voice.name} at critical priority wins every conflict")
    if facts.holds(pair.rule) is True:
        reason = f"rule of the pair: {spec.voices[pair.prefer].name}, since {pair.text}"
        return Verdict(pair.prefer == challenger.voice.place, reason, pair.rule, pair.text)
    if pair.otherwise >= 0:
        reason = f"rule of the pair: {spec.voices[pair.otherwise].name}, unless {pair.text}"
        return Verdict(pair.otherwise == challenger.voice.place, reason, pair.rule, pair.text)
    winner, loser = (challenger, active) if challenger.order() < active.order() else (active, challenger)
    if winner.rank != loser.rank:
        reason = f"priority: {winner.voice.name} {PRIORITIES[winner.rank]}, {loser.voice.name} {PRIORITIES[loser.rank]}"
    elif winner.excess != loser.excess:
        reason = f"further beyond its rule: {winner.voice.name} {winner.excess:.3f}, {loser.voice.name} {loser.excess:.3f}"
    elif winner.silent_at != loser.silent_at:
        reason = f"{winner.voice.name} had been silent for longer"
    else:
        reason = f"{winner.voice.name} stands first in the table"
    return _won(winner, challenger, reason)


def _won(winner: Candidate, challenger: Candidate, reason: str) -> Verdict:
    """The verdict for a side that wins by its own rule."""
    activation = winner.voice.activations[winner.rule]
    return Verdict(winner is challenger, reason, activation.rule, activation.text)


def next_due(ensemble: Ensemble, facts: Facts, now: int) -> int:
    """The earliest subject time (ms) at which a voice's time-out or cool-down is over, while nothing else changes."""
    due = NEVER
    spec = ensemble.spec
    for voice in spec.voices:
        speaker = ensemble.speaker(voice.place)
        if speaker is not None and speaker.rule >= 0:
            if speaker.done_since is not None:
                due = min(due, speaker.done_since + voice.timeout)
            if speaker.quiet_since is not None:
                due = min(due, speaker.quiet_since + voice.timeout)
            continue
        if voice.place in ensemble.muted:
            continue
        for place, activation in enumerate(voice.activations):
            if facts.holds(activation.rule) is not True:
                continue
            ready = now
            if speaker is not None:
                ready = speaker.silent_at + spec.cooldown
                if speaker.activated[place] >= 0:
                    ready = max(ready, speaker.activated[place] + activation.cooldown)
            # what is ready waits for its opponents, whose own times count; unless they lost the word at this very judging
            stopped = any(ensemble.is_active(pair.other(voice.place)) for pair in voice.pairs)
            if ready > now or not stopped or (voice.place == spec.guardian and activation.rank == CRITICAL):
                due = min(due, ready)
    return due
