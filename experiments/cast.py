"""All subjects of a scenario and their own sides, as one: what they publish, hear, and write."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from experiments.actor import SimulatedActor
from experiments.driver import Timed
from experiments.journal import Entry, Journal
from experiments.model import SimulatedSubject
from experiments.scenario import Scenario, SubjectModel
from schemas.commands import Command
from schemas.config import Config


class Cast:
    """The subject of a scenario, named `name`, and those beside it, named `name`-KEY; all of one tenant.

    Each has a seed of its own, made of `seed` and its name. `start`: epoch s of the run's beginning.
    """

    def __init__(self, scenario: Scenario, model: SubjectModel, config: Config, *, seed: int, start: int, name: str) -> None:
        self._end = start + scenario.length // 1000
        self._names = {key: name if key is None else f"{name}-{key}" for key in (None, *scenario.beside)}
        self._subjects = [
            SimulatedSubject(scenario.of(key), model, config, seed=seed, start=start, name=named) for key, named in self._names.items()
        ]
        self._actors = [SimulatedActor(scenario.of(key).actor, one) for key, one in zip(self._names, self._subjects, strict=True)]

    @property
    def names(self) -> list[str]:
        """Their names, as in their points."""
        return list(self._names.values())

    def second(self, second: int) -> Iterable[Timed]:
        """The points of the virtual second (epoch s) that ends at `second`; none after the end of the run."""
        return itertools.chain.from_iterable(one.second(second) for one in self._subjects) if second <= self._end else ()

    def hear(self, value: object, ts: int) -> None:
        """Takes an output; whom it concerns answers. `ts` is its time, epoch ms."""
        for actor in self._actors:
            actor.hear(value, ts)

    def commands(self, second: int) -> list[Command]:
        """What they write directly after the tick of `second` (epoch s), in order."""
        return [command for actor in self._actors for command in actor.commands(second)]

    def journals(self, first: Journal, entries: Iterable[Entry]) -> None:
        """Adds each output to the journal of its subject; what names none is in that of the first."""
        journals = {named: first.of_subject(key) for key, named in self._names.items()}
        for entry in entries:
            journals.get(getattr(entry.value, "subject", None) or "", first).entries.append(entry)
