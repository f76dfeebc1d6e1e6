"""A stage on which voices are judged: readable timelines in, lines or events out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import nan
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from iskra.config_files import load
from processors.catalogue import Catalogue
from processors.emission import Emission
from processors.facts import Facts
from processors.instant import Instant
from processors.rules import RuleBook
from processors.voice_spec import VoicesSpec
from processors.voices import Voices
from processors.watching import Watching
from schemas import living
from schemas.commands import AcknowledgeVoice, MuteVoice, UnmuteVoice
from schemas.durations import decode_hook
from schemas.events import VoiceEvent

CONFIG = Path(__file__).resolve().parents[2] / "config"
CATALOGUE = Catalogue(load())
KEY = b"default/alpha"
SCALE = 10**9

VoiceCommand = AcknowledgeVoice | MuteVoice | UnmuteVoice
Section = TypeVar("Section")


def section(file: str, model: type[Section]) -> Section:
    """A section of the configuration that comes with Iskra."""
    return msgspec.convert(yaml.safe_load((CONFIG / file).read_text(encoding="utf-8")), model, dec_hook=decode_hook)


VOICES = section("voices-triggers.yml", living.Voices)
SIGNALS = section("signals.yml", living.Signals)


def compiled(voices: living.Voices = VOICES, signals: living.Signals = SIGNALS) -> tuple[VoicesSpec, RuleBook]:
    """The voices of a configuration and the rules that they need."""
    book = RuleBook(CATALOGUE)
    return VoicesSpec(voices, signals, book), book


def facts_of(book: RuleBook) -> Facts:
    """Facts that know nothing yet, and to which every rule matters."""
    return Facts(book, Watching(book), (1 << len(book.rules)) - 1)


def instant(emission: Emission, now: int, whole: bool) -> Instant:
    """A judging instant of the subject `alpha`."""
    return Instant("default", "alpha", KEY, "0" * 16, emission, now, now, whole)


def mute(voice: str) -> MuteVoice:
    """Ada mutes a voice."""
    return MuteVoice(subject="alpha", who="ada", why="too loud", voice=voice)


def unmute(voice: str) -> UnmuteVoice:
    """Ada lets a voice speak again."""
    return UnmuteVoice(subject="alpha", who="ada", why="missed", voice=voice)


def acknowledge(voice: str) -> AcknowledgeVoice:
    """The subject's side has done what a voice suggested."""
    return AcknowledgeVoice(subject="alpha", who="alpha", voice=voice)


def line(at: int, event: VoiceEvent) -> str:
    """An event in one line: seconds, voice, event, the other side."""
    return f"{at / 1000:g} {event.voice} {event.event}" + (f" against {event.against}" if event.against else "")


class Stage:
    """Voices under the real configuration, judged at whole seconds; signals about voices come from the voices themselves.

    Attributes:
        now: subject time of the next judging, in seconds. said: all events so far, each with its time in ms.
    """

    def __init__(self, voices: living.Voices = VOICES, signals: living.Signals = SIGNALS) -> None:
        self.spec, book = compiled(voices, signals)
        self.facts = facts_of(book)
        self.voices = Voices(self.spec)
        self.now = 0
        self.said: list[tuple[int, VoiceEvent]] = []
        self._published: set[str] = set()
        self._emission = Emission("iskra.metrics.points", 0)
        self._emission.config = "c0ffee"

    def set(self, values: Mapping[str, float | None]) -> None:
        """Vitals and signals from here on; None: unknown."""
        for name, value in values.items():
            place = CATALOGUE.places[name]
            if place < CATALOGUE.vitals:
                self.facts.set_vital(place, 0 if value is None else 1, 0 if value is None else round(value * SCALE))
            else:
                self.facts.set_signal(place, nan if value is None else float(value))
                self._published.add(name)

    def command(self, command: VoiceCommand) -> None:
        """A command before the next judging."""
        at = self.now * 1000
        self._emission.begin(0, self.now)
        self.voices.command(instant(self._emission, at, False), command)
        self._take(at)

    def close(self, reason: str) -> list[str]:
        """The subject ends; what voices did then, a line each."""
        at, begun = self.now * 1000, len(self.said)
        self._emission.begin(0, self.now)
        self.voices.close(instant(self._emission, at, False), reason)
        self._take(at)
        return [line(*said) for said in self.said[begun:]]

    def judge(self) -> None:
        """One whole second."""
        at = self.now * 1000
        self._emission.begin(0, self.now)
        signals = self.voices.signals(at, True)
        for name in signals._fields:
            if name in CATALOGUE.places and name not in self._published:
                self.facts.set_signal(CATALOGUE.places[name], float(getattr(signals, name)))
        self.facts.settle()
        self.voices.step(instant(self._emission, at, True), self.facts)
        self._take(at)
        self.now += 1

    def play(self, timeline: Mapping[int, Mapping[str, float | None] | Iterable[VoiceCommand]], until: int) -> list[str]:
        """Plays the seconds up to and with `until`: what stands at a second comes before its judging.

        Returns:
            What voices did meanwhile, without symbols and modes, a line each.
        """
        begun = len(self.said)
        while self.now <= until:
            change = timeline.get(self.now)
            if isinstance(change, Mapping):
                self.set(change)
            elif change is not None:
                for command in change:
                    self.command(command)
            self.judge()
        return [line(at, event) for at, event in self.said[begun:] if event.event not in ("symbol", "mode")]

    def told(self, *events: str) -> list[tuple[int, VoiceEvent]]:
        """The events of these kinds so far, each with its second."""
        return [(at // 1000, event) for at, event in self.said if event.event in events]

    def _take(self, at: int) -> None:
        for output in self._emission.outputs:
            assert isinstance(output.value, VoiceEvent)
            assert output.topic == "voices.events"
            self.said.append((at, output.value))
        self._emission.outputs = []


def plain(event: VoiceEvent) -> dict[str, Any]:
    """An event as plain values."""
    built: dict[str, Any] = msgspec.to_builtins(event)
    return built
