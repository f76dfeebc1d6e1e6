"""What a run said, in order, and what was read out of it: means by the minute, named states."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from processors.catalogue import Catalogue
from processors.numbers import to_int
from processors.polyphony import Figures, Polyphony
from processors.rules import UNKNOWN, YES, RuleBook
from processors.voice_spec import VoicesSpec
from schemas import topics
from schemas.config import Config
from schemas.events import VoiceEvent
from schemas.outputs import WindowStats

MINUTE_MS = 60_000
_ID = re.compile(r"\d+-[T\d]+-\d+-\d+-[0-9a-f]{16}")


class Entry(NamedTuple):
    """One output: short topic name, id, its time (epoch ms), the message."""

    topic: str
    id: str
    ts: int
    value: msgspec.Struct


_PLACES = frozenset(
    {
        "evidence",
        "cause",
        "id",
        "action_id",
        "alert_id",
        "dedup_key",
        "topic",
        "partition",
        "offset",
        "first_offset",
        "last_offset",
        "config",
    }
)
"""What of a message tells where in which log something stood, not what it says."""


def content(entry: Entry) -> tuple[str, int, Any]:
    """What an output says, without the places and ids that another log gives it."""
    return entry.topic, entry.ts, _without_places(msgspec.to_builtins(entry.value))


def contents(journal: Journal) -> list[list[tuple[str, int, Any]]]:
    """`content` of all outputs, subject by subject: two runs that say the same have the same."""
    return [[content(entry) for entry in one.entries] for _, one in journal.subjects()]


def _without_places(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_places(part) for name, part in value.items() if name not in _PLACES}
    if isinstance(value, list):
        return [_without_places(part) for part in value]
    return _ID.sub("ID", value) if isinstance(value, str) else value


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries of one subject that were read topic by topic, in the order in which the engine said them: by their ids."""
    return sorted(entries, key=lambda entry: [int(part) for part in entry.id.split("-")[1:4]])


class Journal:
    """The outputs of one subject in one run, and the journals of those `beside` it, by their names in the scenario.

    Args:
        start: epoch ms of the run's beginning. config: for vitals and voices. states: named states, as `experiments.scenario.load_states`.
    """

    def __init__(self, start: int, config: Config, states: dict[str, str | None]) -> None:
        self.start = start
        self.entries: list[Entry] = []
        self.beside: dict[str, Journal] = {}
        self._config = config
        self._named_states = states
        self._book = RuleBook(Catalogue(config))
        self._states = [(name, None if rule is None else self._book.add(rule)) for name, rule in states.items()]

    def of(self, topic: str) -> list[Entry]:
        """The outputs of a topic, in order."""
        return [entry for entry in self.entries if entry.topic == topic]

    def of_subject(self, subject: str | None) -> Journal:
        """The journal of one of the scenario's subjects; None: this one. One that is not there yet is made."""
        if subject is None:
            return self
        return self.beside.setdefault(subject, Journal(self.start, self._config, self._named_states))

    def subjects(self) -> list[tuple[str | None, Journal]]:
        """All journals of the run, each with its subject's name in the scenario: the first is None."""
        return [(None, self), *self.beside.items()]

    def polyphony(self, times: Iterable[int]) -> list[Figures]:
        """The polyphony figures at these times (ms from the start, ascending), as the engine has them: by who was active and queued."""
        living = self._config.living
        assert living is not None, "voices need a configuration that has some"
        spec = VoicesSpec(living.voices, living.signals, self._book)
        polyphony = Polyphony(spec)
        events = [(entry.ts, entry.value) for entry in self.of(topics.VOICES) if isinstance(entry.value, VoiceEvent)]
        found = []
        active: list[str] = []
        for time in times:
            now = self.start + time
            while events and events[0][0] <= now:
                ts, event = events.pop(0)
                active = event.active
                mask = sum(1 << spec.places[voice] for voice in active)
                queued = {spec.places[voice] for voice in event.queued}
                dissonant = sum(
                    (mask >> pair.first & 1 and pair.second in queued) or (mask >> pair.second & 1 and pair.first in queued)
                    for pair in spec.pairs
                )
                polyphony.change(ts, mask, dissonant)
            polyphony.advance(now)
            found.append(polyphony.figures(spec.voices[spec.synthesizer].name in active))
        return found

    def minutes(self, metric: str) -> list[tuple[int, float]]:
        """The 1 min means of a metric as (end of the minute, ms from the start; mean)."""
        found = []
        for entry in self.entries:
            value = entry.value
            if entry.topic == topics.WINDOWS and isinstance(value, WindowStats) and (value.metric, value.size_ms) == (metric, MINUTE_MS):
                found.append((value.start + MINUTE_MS - self.start, value.mean))
        return found

    def states(self) -> list[tuple[int, str]]:
        """The named states that the subject passed, each with the end of its first minute (ms from the start)."""
        by_minute: dict[int, dict[str, float]] = {}
        vitals = self._book.catalogue.names[: self._book.catalogue.vitals]
        for vital in vitals:
            for end, mean in self.minutes(vital):
                by_minute.setdefault(end, {})[vital] = mean
        passed: list[tuple[int, str]] = []
        for end in sorted(by_minute):
            state = self._state(by_minute[end])
            if not passed or passed[-1][1] != state:
                passed.append((end, state))
        return passed

    def _state(self, means: dict[str, float]) -> str:
        book = self._book
        known = [means.get(book.catalogue.names[term.signal]) for term in book.terms]
        truths = bytearray(
            UNKNOWN if mean is None else term.holds_mean(1, to_int(mean)) for term, mean in zip(book.terms, known, strict=True)
        )
        return next((name for name, rule in self._states if rule is None or book.rules[rule].evaluate(truths) == YES), "")
