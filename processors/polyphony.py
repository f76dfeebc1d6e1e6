"""Polyphony: who spoke how much over the last minutes of subject time, and how well together. All sums are integers of ms."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from mypy_extensions import mypyc_attr

from processors.instant import NEVER
from processors.voice_spec import VoicesSpec

CONFLICT_SHARE: Final = 0.5
"""The dialogue is a conflict with more dissonance than this, and harmony with more harmony."""


class Figures(NamedTuple):
    """The figures of the last minutes (how many: `signals.polyphony`).

    Attributes:
        shares: each voice's share of all activity, 0–1 (all 0 when nobody spoke).
        balance: entropy of the shares ÷ ln(number of voices): 0 one voice alone (or none), 1 all alike.
        harmony: time of synergy pairs ÷ time of all pairs of voices that were active together; no such time: 0.
        dissonance: time with one of an opposing pair active and the other queued ÷ the same, at most 1.
        dialogue: conflict, synthesis, harmony or collaboration; None when nobody spoke.
    """

    shares: dict[str, float]
    balance: float
    harmony: float
    dissonance: float
    dialogue: str | None


def dissonance_of(dissonant_ms: int, pair_ms: int) -> float:
    """Dissonant time ÷ pair time, at most 1; 1 also when there is dissonance and no pair was active."""
    if not dissonant_ms:
        return 0.0
    return 1.0 if dissonant_ms >= pair_ms else dissonant_ms / pair_ms


@mypyc_attr(acyclic=True)
class Segment:
    """From `start` (ms) until the next segment the voices of `mask` (bits by place) were active.

    `dissonant` counts opposing pairs with one active and the other queued, `pairs` the pairs of active voices, `synergies`
    those that are synergies.
    """

    __slots__ = ("dissonant", "mask", "pairs", "start", "synergies")

    def __init__(self, spec: VoicesSpec, start: int, mask: int, dissonant: int) -> None:
        self.start = start
        self.mask = mask
        self.dissonant = dissonant
        count = mask.bit_count()
        self.pairs = count * (count - 1) // 2
        self.synergies = 0
        for both in spec.synergies:
            if mask & both == both:
                self.synergies += 1


@mypyc_attr(acyclic=True)
class Polyphony:
    """Sums over the span that ends at the last instant it was told of. Empty when nobody spoke within the span.

    Every change and every second costs a few additions: what enters the span is added, what leaves it is taken away.
    """

    __slots__ = ("_from", "_segments", "_spec", "_to", "dissonant_ms", "pair_ms", "synergy_ms", "voice_ms")

    def __init__(self, spec: VoicesSpec) -> None:
        self._spec = spec
        self._segments: list[Segment] = []
        self._clear()

    @property
    def empty(self) -> bool:
        """Nobody speaks or waits, nor did within the span."""
        return not self._segments

    @property
    def moving(self) -> bool:
        """Whether the dissonance may change with time alone."""
        return self.dissonant_ms > 0 or (bool(self._segments) and self._segments[-1].dissonant > 0)

    @property
    def empty_at(self) -> int:
        """When it will be empty if nothing changes (subject ms); `NEVER`: it will not."""
        if not self._segments or self._segments[-1].mask or self._segments[-1].dissonant:
            return NEVER
        return self._segments[-1].start + self._spec.polyphony

    def change(self, now: int, mask: int, dissonant: int) -> None:
        """From `now` on the voices of `mask` are active, and so many pairs are dissonant."""
        segments = self._segments
        if not segments:
            if not mask and not dissonant:
                return
            self._from = self._to = now
        elif segments[-1].mask == mask and segments[-1].dissonant == dissonant:
            return
        else:
            self.advance(now)
            if segments and segments[-1].start == now:
                segments.pop()
                if segments and segments[-1].mask == mask and segments[-1].dissonant == dissonant:
                    return
            if not segments:
                if not mask and not dissonant:
                    self._clear()
                    return
                self._from = self._to = now
        segments.append(Segment(self._spec, now, mask, dissonant))

    def advance(self, now: int) -> None:
        """Moves the end of the span to `now`."""
        segments = self._segments
        if not segments or now <= self._to:
            return
        self._add(segments[-1], now - self._to)
        self._to = now
        horizon = now - self._spec.polyphony
        gone = 0
        while self._from < horizon:
            end = segments[gone + 1].start if gone + 1 < len(segments) else now
            until = min(end, horizon)
            self._add(segments[gone], self._from - until)
            self._from = until
            if until == end and gone + 1 < len(segments):
                gone += 1
        if gone:
            del segments[:gone]
        if len(segments) == 1 and not segments[0].mask and not segments[0].dissonant and segments[0].start <= horizon:
            segments.clear()
            self._clear()

    def figures(self, synthesizing: bool) -> Figures:
        """The figures over the span; `synthesizing`: the synthesizer is active."""
        total = sum(self.voice_ms)
        shares = {voice.name: (self.voice_ms[voice.place] / total if total else 0.0) for voice in self._spec.voices}
        entropy = 0.0
        for share in shares.values():
            if share:
                entropy -= share * math.log(share)
        balance = entropy / math.log(len(shares)) if len(shares) > 1 else 0.0
        harmony = self.synergy_ms / self.pair_ms if self.pair_ms else 0.0
        dissonance = dissonance_of(self.dissonant_ms, self.pair_ms)
        dialogue: str | None = None
        if dissonance > CONFLICT_SHARE:
            dialogue = "conflict"
        elif synthesizing:
            dialogue = "synthesis"
        elif harmony > CONFLICT_SHARE:
            dialogue = "harmony"
        elif total:
            dialogue = "collaboration"
        return Figures(shares, balance, harmony, dissonance, dialogue)

    def dump(self) -> list[Any]:
        """The state as plain values: the span, then each segment."""
        if not self._segments:
            return []
        told: list[Any] = [self._from, self._to]
        for segment in self._segments:
            told += [segment.start, segment.mask, segment.dissonant]
        return told

    def load(self, state: list[Any]) -> None:
        """Takes the state of `dump` back; the sums are made anew."""
        self._segments = [Segment(self._spec, state[at], state[at + 1], state[at + 2]) for at in range(2, len(state), 3)]
        self._clear()
        if not state:
            return
        self._from, self._to = state[0], state[1]
        for place, segment in enumerate(self._segments):
            end = self._segments[place + 1].start if place + 1 < len(self._segments) else self._to
            self._add(segment, end - max(segment.start, self._from))

    def rebind(self, spec: VoicesSpec, places: list[int]) -> None:
        """Another configuration: `places` maps the old places to the new ones (−1: that voice is gone)."""
        state = self.dump()
        for at in range(3, len(state), 3):
            mask = 0
            for old, new in enumerate(places):
                if new >= 0 and state[at] >> old & 1:
                    mask |= 1 << new
            state[at] = mask
        self._spec = spec
        self.load(state)

    def _add(self, segment: Segment, ms: int) -> None:
        place = 0
        mask = segment.mask
        while mask:
            if mask & 1:
                self.voice_ms[place] += ms
            mask >>= 1
            place += 1
        self.pair_ms += segment.pairs * ms
        self.synergy_ms += segment.synergies * ms
        self.dissonant_ms += segment.dissonant * ms

    def _clear(self) -> None:
        self._from = self._to = 0
        self.voice_ms = [0] * len(self._spec.voices)
        self.pair_ms = self.synergy_ms = self.dissonant_ms = 0
