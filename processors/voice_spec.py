"""What a configuration says of voices, symbols and modes: names turned into places, rules into numbers of the rule book.

A voice's *place* is its number in the configuration's table, which is also the order of everything that is told of voices.
"""

from __future__ import annotations

from typing import Final

from processors.rules import RuleBook
from schemas import living

CRITICAL: Final = 0
"""Rank of the highest priority."""
PRIORITIES = ("critical", "high", "medium")
"""Names of the ranks: a lower rank speaks first."""


class ActivationSpec:
    """A rule that makes a voice eligible. `rank` is its place in `PRIORITIES`, `cooldown` in ms from its last activation."""

    __slots__ = ("cooldown", "rank", "rule", "text")

    def __init__(self, activation: living.Activation, rules: RuleBook) -> None:
        self.rule = rules.add(activation.when)
        self.text = rules.text(self.rule)
        self.rank = PRIORITIES.index(activation.priority)
        self.cooldown = int(activation.cooldown)


class VoiceSpec:
    """One voice; `timeout` in ms. `pairs` are the opposing pairs that it is a part of."""

    __slots__ = ("actions", "activations", "name", "pairs", "place", "silent_rule", "silent_text", "timeout")

    def __init__(self, place: int, name: str, voice: living.Voice, rules: RuleBook) -> None:
        if not voice.activate:
            raise ValueError(f"voices.{name}.activate: expected a rule")
        self.place = place
        self.name = name
        self.activations = [ActivationSpec(activation, rules) for activation in voice.activate]
        self.silent_rule = rules.add(voice.silent_when)
        self.silent_text = rules.text(self.silent_rule)
        self.timeout = int(voice.timeout)
        self.actions = list(voice.actions)
        self.pairs: list[PairSpec] = []


class PairSpec:
    """Two opposing voices: `prefer` speaks when `rule` holds, else `otherwise` (−1: the order of the voices decides)."""

    __slots__ = ("first", "otherwise", "prefer", "rule", "second", "text")

    def __init__(self, pair: living.OpposingPair, places: dict[str, int], rules: RuleBook) -> None:
        self.first = _place(places, pair.pair[0], "opposing")
        self.second = _place(places, pair.pair[1], "opposing")
        if self.first == self.second:
            raise ValueError(f"opposing: {pair.pair[0]}: expected two voices")
        for name in (pair.prefer, pair.otherwise):
            if name is not None and name not in pair.pair:
                raise ValueError(f"opposing: {name}: expected a voice of the pair {pair.pair[0]}, {pair.pair[1]}")
        self.prefer = places[pair.prefer]
        self.otherwise = -1 if pair.otherwise is None else places[pair.otherwise]
        self.rule = rules.add(pair.when)
        self.text = rules.text(self.rule)

    def other(self, place: int) -> int:
        """The opponent of a voice of this pair."""
        return self.second if place == self.first else self.first


class SymbolSpec:
    """A ritual symbol; `rule` −1: the resting one."""

    __slots__ = ("name", "ritual", "rule", "text", "voice")

    def __init__(self, name: str, symbol: living.Symbol, places: dict[str, int], rules: RuleBook) -> None:
        if symbol.voice is not None:
            _place(places, symbol.voice, f"symbols.{name}")
        self.name = name
        self.voice = symbol.voice
        self.ritual = symbol.ritual
        self.rule = -1 if symbol.when is None else rules.add(symbol.when)
        self.text: str | None = None if symbol.when is None else rules.text(self.rule)


class ModeSpec:
    """A tonal mode of a voice and a symbol."""

    __slots__ = ("name", "symbol", "tone", "voice")

    def __init__(self, name: str, mode: living.Mode, places: dict[str, int], symbols: dict[str, living.Symbol]) -> None:
        _place(places, mode.voice, f"modes.{name}")
        if mode.symbol not in symbols:
            raise ValueError(f"modes.{name}: {mode.symbol}: no such symbol")
        self.name = name
        self.voice = mode.voice
        self.symbol = mode.symbol
        self.tone = mode.tone


class VoicesSpec:
    """The sections `voices` and `signals` of a configuration, ready for `Voices`; lengths of time in ms.

    Raises:
        RuleError: a rule is refused.
        ValueError: a name that no voice, symbol or action has, or no resting symbol; the text begins with the field.
    """

    __slots__ = (
        "contradictions",
        "cooldown",
        "guardian",
        "modes",
        "pairs",
        "places",
        "polyphony",
        "readiness",
        "resting",
        "symbols",
        "synergies",
        "synthesizer",
        "voices",
    )

    def __init__(self, voices: living.Voices, signals: living.Signals, rules: RuleBook) -> None:
        self.cooldown = int(voices.cooldown)
        self.readiness = int(signals.readiness)
        self.polyphony = int(signals.polyphony)
        self.voices = [VoiceSpec(place, name, voice, rules) for place, (name, voice) in enumerate(voices.voices.items())]
        self.places = {voice.name: voice.place for voice in self.voices}
        self.guardian = _place(self.places, voices.guardian, "guardian")
        self.synthesizer = _place(self.places, voices.synthesizer, "synthesizer")
        self.pairs = [PairSpec(pair, self.places, rules) for pair in voices.opposing]
        for pair in self.pairs:
            self.voices[pair.first].pairs.append(pair)
            self.voices[pair.second].pairs.append(pair)
        self.synergies = [1 << _place(self.places, a, "synergies") | 1 << _place(self.places, b, "synergies") for a, b in voices.synergies]
        known = [action for voice in self.voices for action in voice.actions]
        for pair_of_actions in voices.contradictions:
            for action in pair_of_actions:
                if action not in known:
                    raise ValueError(f"contradictions: {action}: no such response action")
        self.contradictions = [(a, b) for a, b in voices.contradictions]
        self.symbols = [SymbolSpec(name, symbol, self.places, rules) for name, symbol in voices.symbols.items()]
        resting = [symbol for symbol in self.symbols if symbol.rule < 0]
        if len(resting) != 1:
            raise ValueError("symbols: expected one symbol whose `when` is null, the resting one")
        self.resting = resting[0]
        self.modes = [ModeSpec(name, mode, self.places, voices.symbols) for name, mode in voices.modes.items()]


def _place(places: dict[str, int], name: str, field: str) -> int:
    place = places.get(name)
    if place is None:
        raise ValueError(f"{field}: {name}: no such voice")
    return place
