"""One subject's automatic actions in a small world: facts that a test sets, a clock that it moves, and what was said."""

from __future__ import annotations

from math import nan
from pathlib import Path
from typing import Any

import msgspec
import yaml

from processors.actions import Actions, ActionsSpec
from processors.catalogue import Catalogue
from processors.emission import Emission
from processors.facts import Facts
from processors.instant import Instant
from processors.numbers import to_int
from processors.rules import RuleBook
from processors.watching import Watching
from schemas import living
from schemas.commands import AcknowledgeAction, ApproveAction, RefuseAction
from schemas.durations import decode_hook
from schemas.events import ActionEvent
from tests.processors.settings import DEFAULT, TOPIC

KEY, HASHED = b"default/alpha", "00000000000000aa"
START = 1_762_435_080
"""Epoch s: Thursday 2025-11-06 13:18 UTC, outside every window."""
HEALTHY = {"clarity": 0.80, "chaos": 0.45, "trust": 0.80, "pain": 0.30}

_ACTIONS: dict[str, Any] = yaml.safe_load(Path("config/actions.yml").read_text(encoding="utf-8"))


def section(**changes: Any) -> living.Actions:
    """The section of the configuration that comes with Iskra; `actions={name: {field: …}}` changes fields of an action."""
    tree = {**_ACTIONS, **{name: value for name, value in changes.items() if name != "actions"}}
    tree["actions"] = {name: {**action, **changes.get("actions", {}).get(name, {})} for name, action in _ACTIONS["actions"].items()}
    return msgspec.convert(tree, living.Actions, dec_hook=decode_hook)


def spec_and_book(actions: living.Actions) -> tuple[ActionsSpec, RuleBook]:
    """A specification with a rule book of its own."""
    book = RuleBook(Catalogue(DEFAULT))
    return ActionsSpec(actions, DEFAULT.metrics, book), book


class World:
    """Times are seconds from `START`; log time runs with subject time unless a test says otherwise."""

    def __init__(self, actions: living.Actions | None = None, *, start: int = START) -> None:
        self.spec, self.book = spec_and_book(actions or section())
        self.facts = Facts(self.book, Watching(self.book), (1 << len(self.book.rules)) - 1)
        self.actions = Actions(self.spec)
        self.start = start
        self.now = start * 1000
        self.log_now = start * 1000
        self.emission = Emission(TOPIC, 0)
        self.emission.config = "cafe"
        self.offset = -1
        self.said: list[ActionEvent] = []
        self.ids: list[str] = []
        self.times: dict[str, int] = {}
        for vital, value in HEALTHY.items():
            self.set(vital, value)

    def set(self, name: str, value: float | None) -> None:
        """A vital's judged mean, or a signal (yes: 1)."""
        place = self.book.catalogue.places[name]
        if place < self.book.catalogue.vitals:
            self.facts.set_vital(place, 0 if value is None else 30, 0 if value is None else 30 * to_int(value))
        else:
            self.facts.set_signal(place, nan if value is None else value)

    def judge(self, *, skipping: bool = False) -> list[ActionEvent]:
        """A judging now; `skipping`: not where nothing can come of it."""
        changed = self.facts.settle()
        instant = self._begin()
        if not skipping or changed or instant.now >= self.actions.due:
            self.actions.step(instant, self.facts)
        return self._end()

    def tick(self) -> list[ActionEvent]:
        """A tick of this second."""
        instant = self._begin()
        if self.actions.log_due <= instant.log_now:
            self.actions.tick(instant)
        return self._end()

    def until(self, second: int, *, skipping: bool = False) -> list[ActionEvent]:
        """Judged and ticked every second, up to and with `second`."""
        heard: list[ActionEvent] = []
        while self.now < (self.start + second) * 1000:
            self.now += 1000
            self.log_now = max(self.log_now, self.now)
            heard += self.judge(skipping=skipping)
            heard += self.tick()
        return heard

    def acknowledge(self, action_id: str) -> list[ActionEvent]:
        """The subject's side takes the action up."""
        return self.command(AcknowledgeAction(subject="alpha", who="simulator", action_id=action_id))

    def approve(self, action_id: str) -> list[ActionEvent]:
        """A person passes it."""
        return self.command(ApproveAction(subject="alpha", who="ann", why="seen", action_id=action_id))

    def refuse(self, action_id: str) -> list[ActionEvent]:
        """A person refuses it."""
        return self.command(RefuseAction(subject="alpha", who="ann", why="not today", action_id=action_id))

    def command(self, command: ApproveAction | RefuseAction | AcknowledgeAction) -> list[ActionEvent]:
        """A record with a command."""
        self.actions.command(self._begin(), command)
        return self._end()

    def reload(self) -> None:
        """The machine's state goes through its plain form, as over a crash."""
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.actions.dump()))
        self.actions = Actions(self.spec)
        self.actions.load(state)

    def _begin(self) -> Instant:
        self.offset += 1
        self.emission.begin(0, self.offset)
        return Instant("default", "alpha", KEY, HASHED, self.emission, self.now, self.log_now, True)

    def _end(self) -> list[ActionEvent]:
        heard = []
        for output in self.emission.outputs:
            assert isinstance(output.value, ActionEvent)
            heard.append(output.value)
            self.ids.append(output.id)
            self.times[output.id] = self.now
        self.said += heard
        return heard


def told(events: list[ActionEvent]) -> list[tuple[str, str]]:
    """Each event as (action, state)."""
    return [(event.action, event.state) for event in events]
