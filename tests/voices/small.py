"""Small voices whose times are a few seconds, and facts that are given rather than judged: deep states are near."""

from __future__ import annotations

from typing import Any

import msgspec

from processors.facts import Facts
from processors.rules import RuleBook
from processors.voice_spec import VoicesSpec
from processors.watching import Watching
from schemas import living
from schemas.durations import decode_hook
from schemas.events import TermValue
from tests.voices.stage import SIGNALS, compiled


def rule(number: int) -> str:
    """The text of the rule that is known by a number."""
    return f"drift > {number}"


def _voice(first: int, *priorities: str, cooldown: str = "6s", timeout: str = "3s") -> dict[str, Any]:
    activate = [{"when": rule(first + i), "priority": priority, "cooldown": cooldown} for i, priority in enumerate(priorities)]
    silent_when = rule(first + len(priorities))
    return {
        "label": "",
        "archetype": "",
        "activate": activate,
        "silent_when": silent_when,
        "timeout": timeout,
        "actions": [f"act_{first}", f"also_{first}"],
    }


_SMALL: dict[str, Any] = {
    "cooldown": "5s",
    "synthesizer": "echo",
    "guardian": "bell",
    "voices": {
        "aria": _voice(1, "high", "medium"),
        "bell": _voice(4, "critical", "high", timeout="2s"),
        # opposes two, one of which opposes nobody else
        "cello": _voice(7, "high", "high", cooldown="2s"),
        "drum": _voice(10, "medium", cooldown="500ms", timeout="0s"),
        "echo": _voice(12, "high", timeout="4s"),
    },
    "opposing": [
        {"pair": ["aria", "bell"], "prefer": "bell", "when": rule(20), "otherwise": "aria"},
        {"pair": ["bell", "cello"], "prefer": "cello", "when": rule(21)},
        {"pair": ["drum", "cello"], "prefer": "drum", "when": rule(22), "otherwise": "cello"},
    ],
    "synergies": [["aria", "drum"], ["cello", "echo"]],
    "contradictions": [["act_1", "act_10"], ["also_7", "act_12"]],
    "symbols": {
        "rest": {"when": None, "voice": None, "ritual": "listen"},
        "storm": {"when": rule(23), "voice": "drum", "ritual": "shelter"},
        "song": {"when": rule(24), "voice": "aria", "ritual": "sing"},
    },
    "modes": {"loud": {"voice": "drum", "symbol": "storm", "tone": "loud"}, "soft": {"voice": "aria", "symbol": "song", "tone": "soft"}},
}


def small(**changes: Any) -> living.Voices:
    """The small voices, with parts replaced."""
    return msgspec.convert({**_SMALL, **changes}, living.Voices, dec_hook=decode_hook)


SMALL = small()
NO_COOLDOWN = small(cooldown="0s")
FEW = small(
    synthesizer="drum",
    guardian="aria",
    voices={name: _SMALL["voices"][name] for name in ("drum", "aria", "echo")} | {"aria": _voice(1, "high", "critical", timeout="1s")},
    opposing=[{"pair": ["aria", "echo"], "prefer": "echo", "when": rule(20)}],
    synergies=[],
    contradictions=[],
)
"""Takes the place of `SMALL`: voices gone, others in another order, with other rules and opponents."""

SMALL_SIGNALS = msgspec.structs.replace(
    SIGNALS, readiness=decode_hook(type(SIGNALS.readiness), "12s"), polyphony=decode_hook(type(SIGNALS.polyphony), "7s")
)

NAMES = list(SMALL.voices)
RULES = sorted(
    {activation.when for voice in SMALL.voices.values() for activation in voice.activate}
    | {voice.silent_when for voice in SMALL.voices.values()}
    | {pair.when for pair in SMALL.opposing}
    | {symbol.when for symbol in SMALL.symbols.values() if symbol.when is not None}
)


class FakeFacts(Facts):
    """Facts whose truths and excesses are given by the rules' texts; what is not given is unknown."""

    __slots__ = ("excesses", "given")

    def __init__(self, book: RuleBook) -> None:
        super().__init__(book, Watching(book), (1 << len(book.rules)) - 1)
        self.given: dict[str, bool | None] = {}
        self.excesses: dict[str, float] = {}

    def holds(self, rule: int) -> bool | None:
        """The truth given."""
        return self.given.get(self.book.text(rule))

    def excess(self, rule: int) -> float:
        """The excess given, 0 if none is."""
        return self.excesses.get(self.book.text(rule), 0.0)

    def terms(self, rule: int) -> list[TermValue]:
        """One term, the rule itself."""
        return [TermValue(self.book.text(rule), self.holds(rule), None)]


def made(voices: living.Voices = SMALL) -> tuple[VoicesSpec, FakeFacts]:
    """The small voices, ready, and facts for them."""
    spec, book = compiled(voices, SMALL_SIGNALS)
    return spec, FakeFacts(book)
