"""What is remembered of the voices of one subject: of each that ever spoke, and of each that waits."""

from __future__ import annotations

from typing import Any, Final

from mypy_extensions import mypyc_attr

from processors.voice_spec import VoiceSpec

NEVER_YET: Final = -1
"""Stands for a time at which something last was, when it never was."""


@mypyc_attr(acyclic=True)
class Speaker:
    """A voice that has spoken; times are subject time in ms.

    Attributes:
        rule: place of the activation rule by which it is active; −1: it is silent.
        since: when it was last activated. silent_at: when it last fell silent (`NEVER_YET`: not yet).
        done_since: since when its deactivation rule holds, quiet_since: since when no activation rule of it does
            (both while it is active; None: not so now).
        acknowledged: whether the subject's side has done the response actions of its last activation.
        activated: by activation rule, when that rule last activated it.
    """

    __slots__ = ("acknowledged", "activated", "done_since", "quiet_since", "rule", "silent_at", "since")

    def __init__(self, rules: int) -> None:
        self.rule = -1
        self.since = NEVER_YET
        self.silent_at = NEVER_YET
        self.done_since: int | None = None
        self.quiet_since: int | None = None
        self.acknowledged = False
        self.activated = [NEVER_YET] * rules

    def begin(self, now: int, rule: int, done: bool) -> None:
        """It is activated by `rule`; `done`: its deactivation rule holds already, so that its time-out counts from here."""
        self.rule = rule
        self.since = now
        self.activated[rule] = now
        self.acknowledged = False
        self.done_since = now if done else None
        self.quiet_since = None

    def end(self, now: int) -> None:
        """It falls silent."""
        self.rule = -1
        self.silent_at = now
        self.done_since = None
        self.quiet_since = None

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [self.rule, self.since, self.silent_at, self.done_since, self.quiet_since, self.acknowledged, *self.activated]

    def load(self, state: list[Any]) -> None:
        """Takes the state of `dump` back."""
        self.rule, self.since, self.silent_at, self.done_since, self.quiet_since, self.acknowledged = state[:6]
        self.activated = [int(at) for at in state[6:]]

    def moved(self, old: VoiceSpec, new: VoiceSpec) -> Speaker:
        """The same voice under another configuration: rules of equal text keep their times, else those of the same place."""
        speaker = Speaker(len(new.activations))
        heirs = inherit([rule.text for rule in old.activations], [rule.text for rule in new.activations])
        for place, heir in enumerate(heirs):
            if heir >= 0:
                speaker.activated[place] = self.activated[heir]
        speaker.since, speaker.silent_at, speaker.acknowledged = self.since, self.silent_at, self.acknowledged
        if self.rule >= 0:
            speaker.rule = heirs.index(self.rule) if self.rule in heirs else min(self.rule, len(heirs) - 1)
            # a running time-out is that of the rule that ran; another rule begins anew
            if old.silent_text == new.silent_text:
                speaker.done_since = self.done_since
            if [rule.text for rule in old.activations] == [rule.text for rule in new.activations]:
                speaker.quiet_since = self.quiet_since
        return speaker


def inherit(old: list[str], new: list[str]) -> list[int]:
    """For each rule of `new` the place of the one of `old` that it goes on from: equal text, else the same place; −1: none."""
    heirs = [old.index(text) if text in old else -1 for text in new]
    for place, heir in enumerate(heirs):
        if heir < 0 and place < len(old) and place not in heirs:
            heirs[place] = place
    return heirs


@mypyc_attr(acyclic=True)
class Waiting:
    """A loser of a conflict, by place: `against` the voice that won (−1: it is gone), `rule` the one for which it waits."""

    __slots__ = ("against", "rule", "voice")

    def __init__(self, voice: int, against: int, rule: int) -> None:
        self.voice = voice
        self.against = against
        self.rule = rule

    def dump(self) -> list[Any]:
        """The state as plain values, in the order of the constructor."""
        return [self.voice, self.against, self.rule]
