"""What a run said, in order, and what was read out of it: means by the minute, named states."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from processors.catalogue import Catalogue
from processors.facts import Facts
from processors.numbers import to_int
from processors.rules import RuleBook
from schemas import topics
from schemas.config import Config
from schemas.outputs import WindowStats

MINUTE_MS = 60_000


class Entry(NamedTuple):
    """One output: short topic name, id, its time (epoch ms), the message."""

    topic: str
    id: str
    ts: int
    value: msgspec.Struct


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
        facts = Facts(self._book)
        for end in sorted(by_minute):
            for place, vital in enumerate(vitals):
                known = by_minute[end].get(vital)
                facts.set_vital(place, 0 if known is None else 1, 0 if known is None else to_int(known))
            facts.settle()
            state = next((name for name, rule in self._states if rule is None or facts.holds(rule)), "")
            if not passed or passed[-1][1] != state:
                passed.append((end, state))
        return passed
