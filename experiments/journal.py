"""What a run said, in order, and what was read out of it: means by the minute, named states."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from processors.catalogue import Catalogue
from processors.numbers import to_int
from processors.rules import UNKNOWN, YES, RuleBook
from schemas import topics
from schemas.config import Config
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
    """The outputs of one subject in one run.

    Args:
        start: epoch ms of the run's beginning. config: for the vitals. states: named states, as `experiments.scenario.load_states`.
    """

    def __init__(self, start: int, config: Config, states: dict[str, str | None]) -> None:
        self.start = start
        self.entries: list[Entry] = []
        self._book = RuleBook(Catalogue(config))
        self._states = [(name, None if rule is None else self._book.add(rule)) for name, rule in states.items()]

    def of(self, topic: str) -> list[Entry]:
        """The outputs of a topic, in order."""
        return [entry for entry in self.entries if entry.topic == topic]

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
