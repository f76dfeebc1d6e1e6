"""Scenarios: what happens to a simulated subject, what its own side does, and what must come of it. Data, in `config/scenarios/`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from experiments.driver import HOLD_S
from schemas.durations import Duration, decode_hook

DEFAULT_DIR = Path(__file__).resolve().parent.parent / "config"
_NAME = re.compile(r"[a-z0-9-]+\Z")
_KINDS = ("event", "values", "states", "levels", "voices", "polyphony")


class ScenarioError(ValueError):
    """A scenario or model that is refused; the text is `FILE: FIELD: what was expected`."""


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown keys are refused. Times are ms from the start of the run."""


class Draw(_Part, frozen=True, kw_only=True):
    """A level that a vital is drawn to, with a time constant."""

    to: float
    tau: Duration


class Harmony(_Part, frozen=True, kw_only=True):
    """While all vitals of `of` are inside their ranges, those of `draws` follow."""

    of: list[str]
    draws: dict[str, Draw]


class Response(_Part, frozen=True, kw_only=True):
    """How actions work: see `config/subject-model.yml`."""

    delay: Duration
    reach: float
    forgetting: Duration


class Variation(_Part, frozen=True, kw_only=True):
    """How seeds differ: levels of pulls by ± `level`, time constants by ± the share `tau` (uniform)."""

    level: float
    tau: float


class SubjectModel(_Part, frozen=True, kw_only=True):
    """The simulated subject's parameters."""

    noise: dict[str, float]
    rest: dict[str, float]
    rest_tau: Duration
    harmony: Harmony
    response: Response
    variation: Variation


class Pull(_Part, frozen=True, kw_only=True):
    """A force on some vitals: from `start` (null: only when a response begins it) to `end`, towards `to` with `tau`.

    Over, they return to rest with `back` (null: the model's time constant). `despite_harmony`: harmony does not free
    trust and pain from it. `wave`: half of each period it pulls, the other half it does not.
    """

    to: dict[str, float]
    tau: Duration
    start: Duration | None = Duration(0)
    end: Duration | None = None
    back: Duration | None = None
    despite_harmony: bool = False
    wave: Duration | None = None


class Published(_Part, frozen=True, kw_only=True):
    """A signal that the subject publishes about itself, `every` so often."""

    signal: str
    value: float
    start: Duration | None = Duration(0)
    end: Duration | None = None
    every: Duration = Duration(10_000)


class Fault(_Part, frozen=True, kw_only=True):
    """A sensor that lies: stuck at its last value, missing, impossible (1.7), or `late` (20 s behind)."""

    metric: str
    fault: Literal["stuck", "missing", "impossible", "late"]
    start: Duration
    end: Duration


class Reaction(_Part, frozen=True, kw_only=True):
    """What the subject's side does `after` it heard a voice: begins and ends pulls and published signals, by name.

    `to` names a voice. `acknowledge`: it also tells that the voice's response actions are done, not before `not_before`.
    """

    to: str
    after: Duration = Duration(10_000)
    not_before: Duration = Duration(0)
    begin: list[str] = []
    end: list[str] = []
    acknowledge: bool = False


class Actor(_Part, frozen=True, kw_only=True):
    """The subject's own side. `acknowledge_after` a dispatch it takes the action up (null: nobody does)."""

    acknowledge_after: Duration | None = Duration(10_000)
    approve_after: Duration | None = None
    reactions: list[Reaction] = []


class Phase(_Part, frozen=True, kw_only=True):
    """A named part of the timeline, for people."""

    name: str
    start: Duration
    end: Duration


class Beside(_Part, frozen=True, kw_only=True):
    """A further subject of the tenant, with all that a scenario says of its first one."""

    start: dict[str, float]
    pulls: dict[str, Pull] = {}
    published: dict[str, Published] = {}
    faults: list[Fault] = []
    actor: Actor = Actor()


class Expectation(_Part, frozen=True, kw_only=True):
    """One thing that must come of the run; exactly one of `event`, `values`, `states`, `levels`, `voices`, `polyphony`.

    `subject` names one of those beside; null: the first.

    - `event`: the first message on a topic whose fields are `where` (dots go into objects; a list: one of), behind
      `since`, stands at `at` ± `within`; with `count`, so many stand between `start` and `end` ([least, greatest]).
    - `values`: every 1 min mean between `start` and `end` (or that of the minute of `at`) of each vital lies in [least, greatest].
    - `states`: these named states come one after the other, others may come between.
    - `levels`: statuses between `start` and `end` are these only.
    - `voices`: these are activated for the first time one after the other.
    - `polyphony`: at every whole minute between `start` and `end` (or at `at`) each of these figures of the last minutes (how
      many: `signals.polyphony`) lies in [least, greatest]: the activity share of a voice by its name, balance, harmony, dissonance.
    """

    name: str
    subject: str | None = None
    event: str | None = None
    where: dict[str, Any] = {}
    at: Duration | None = None
    within: Duration = Duration(0)
    since: Duration = Duration(0)
    start: Duration = Duration(0)
    end: Duration | None = None
    count: tuple[int, int | None] | None = None
    values: dict[str, tuple[float, float]] | None = None
    states: list[str] | None = None
    levels: list[str] | None = None
    voices: list[str] | None = None
    polyphony: dict[str, tuple[float, float]] | None = None
    lesson: str = ""
    """What to look at if it does not come."""


class Scenario(_Part, frozen=True, kw_only=True):
    """A whole experiment with one subject, and those `beside` it.

    `abort`: beyond these bounds of any subject a run has failed, whatever else was expected.
    """

    title: str
    about: str
    length: Duration
    start: dict[str, float]
    pulls: dict[str, Pull] = {}
    published: dict[str, Published] = {}
    faults: list[Fault] = []
    actor: Actor = Actor()
    beside: dict[str, Beside] = {}
    phases: list[Phase] = []
    expect: list[Expectation]
    abort: dict[str, tuple[float, float]] = {}
    next_step: str

    def of(self, subject: str | None) -> Scenario:
        """The scenario as it is for one of its subjects; None: the first."""
        if subject is None:
            return self
        own = self.beside[subject]
        return msgspec.structs.replace(
            self, start=own.start, pulls=own.pulls, published=own.published, faults=own.faults, actor=own.actor, beside={}
        )


def names(directory: Path | None = None) -> list[str]:
    """The scenarios there are, sorted."""
    return sorted(file.stem for file in ((directory or DEFAULT_DIR) / "scenarios").glob("*.yml"))


def load(name: str, directory: Path | None = None) -> Scenario:
    """The scenario `name` of the configuration's directory.

    Raises:
        ScenarioError: there is none, or it is refused.
    """
    file = (directory or DEFAULT_DIR) / "scenarios" / f"{name}.yml"
    if not _NAME.match(name) or not file.is_file():
        raise ScenarioError(f"{name}: expected one of {', '.join(names(directory))}")
    scenario: Scenario = _read(file, Scenario)
    for subject in (None, *scenario.beside):
        if subject is not None and not _NAME.match(subject):
            raise ScenarioError(f"{file}: beside: expected names of a-z, 0-9 and -, got {subject!r}")
        _check_actor(scenario.of(subject), f"{file}: {'' if subject is None else f'beside.{subject}.'}actor")
    for expectation in scenario.expect:
        kinds = [kind for kind in _KINDS if getattr(expectation, kind) is not None]
        if len(kinds) != 1:
            raise ScenarioError(f"{file}: expect {expectation.name!r}: expected one of {', '.join(_KINDS)}, got {kinds}")
        if expectation.event is not None and (expectation.at is None) == (expectation.count is None):
            raise ScenarioError(f"{file}: expect {expectation.name!r}: expected at or count")
        if expectation.subject is not None and expectation.subject not in scenario.beside:
            raise ScenarioError(f"{file}: expect {expectation.name!r}: expected a subject of beside, got {expectation.subject!r}")
    return scenario


def _check_actor(scenario: Scenario, where: str) -> None:
    """What one subject's own side does must be possible."""
    actor = scenario.actor
    waits = [actor.acknowledge_after, actor.approve_after, *(reaction.after for reaction in actor.reactions)]
    if any(wait is not None and wait < HOLD_S * 1000 for wait in waits):
        raise ScenarioError(f"{where}: expected {HOLD_S}s or more for each reaction: the virtual clock waits for the engine so often")
    known = {*scenario.pulls, *scenario.published}
    for reaction in actor.reactions:
        for thing in (*reaction.begin, *reaction.end):
            if thing not in known:
                raise ScenarioError(f"{where}.reactions: expected a name of pulls or published, got {thing!r}")


def load_model(directory: Path | None = None) -> SubjectModel:
    """The simulated subject's parameters.

    Raises:
        ScenarioError: they are refused.
    """
    model: SubjectModel = _read((directory or DEFAULT_DIR) / "subject-model.yml", SubjectModel)
    return model


def load_states(directory: Path | None = None) -> dict[str, str | None]:
    """The named states of a subject, each with its condition; the first that holds counts, null always holds.

    Raises:
        ScenarioError: the file is refused.
    """
    states: dict[str, str | None] = _read((directory or DEFAULT_DIR) / "states.yml", dict[str, str | None])
    return states


def _read(file: Path, kind: Any) -> Any:
    try:
        return msgspec.convert(yaml.safe_load(file.read_text(encoding="utf-8")), kind, dec_hook=decode_hook)
    except RecursionError:
        raise ScenarioError(f"{file}: expected lists and mappings nested less deeply") from None
    except (OSError, yaml.YAMLError, msgspec.ValidationError, ValueError) as error:
        raise ScenarioError(f"{file}: {' '.join(str(error).split())}") from None
