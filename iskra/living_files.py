"""The files of the living part: signals, budget, voices, actions, escalation. Rules are compiled to see that they are sound."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml

from iskra.yaml_files import ConfigError, compose, convert, place_of, read
from processors.budget import MetricBudget, WindowSpec
from processors.calendar import Calendar
from processors.catalogue import VITALS, Catalogue
from processors.living import LifeSpec
from processors.rules import RuleBook, RuleError
from processors.signal_spec import LONG_S, SHORT_S
from processors.voice_spec import PairSpec
from schemas.config import Config
from schemas.living import Actions, Alerts, Budget, Living, Signals, Voices

FILES = {
    "signals": "signals.yml",
    "budget": "budget.yml",
    "voices": "voices-triggers.yml",
    "actions": "actions.yml",
    "alerts": "escalation.yml",
}
"""File of each section."""
_FIELD = re.compile(r"\w+(\.[\w-]+)*\Z")


def load(directory: Path, default: Path, config: Config) -> Living | None:
    """The living part for the thresholds of `config`, from the files in `directory`, else from those in `default`.

    None where no file of it stands in `directory` and the thresholds are not those of the four vitals.

    Raises:
        ConfigError: a file has an unknown key or a wrong type, or a rule, name or number in it does not fit.
    """
    why = unfit(config)
    if why:
        if not any((directory / name).exists() for name in FILES.values()):
            return None
        raise ConfigError(f"{directory / FILES['signals']}:1: {why}")
    texts = {section: _read(directory, default, name) for section, name in FILES.items()}
    parsed = {section: compose(text, name) for section, (name, text) in texts.items()}

    def section(key: str, model: Any) -> Any:
        root, data = parsed[key]
        return convert(data, model, [], root, texts[key][0])

    living = Living(
        signals=section("signals", Signals),
        budget=section("budget", Budget),
        voices=section("voices", Voices),
        actions=section("actions", Actions),
        alerts=section("alerts", Alerts),
    )
    book = RuleBook(Catalogue(config))
    for key, steps, text in _rules(living):
        try:
            book.add(text)
        except RuleError as error:
            raise ConfigError(_rule_error(error, texts[key][0], parsed[key][0], steps)) from None

    def refused(key: str, steps: list[str], what: str) -> ConfigError:
        line, column = place_of(parsed[key][0], steps)
        return ConfigError(f"{texts[key][0]}:{line}: {'.'.join(steps)}: column {column}: {what}")

    for key, steps, what in _problems(living, config):
        raise refused(key, steps, what)
    for key, steps, make in _parts(living, book):
        try:
            make()
        except ValueError as error:
            raise refused(key, *_field(str(error), steps)) from None
    try:
        LifeSpec(config, living)
    except ValueError as error:
        steps, what = _field(str(error), [])
        for key, (_, data) in parsed.items():
            if steps and steps[0] in data:
                raise refused(key, steps, what) from None
        raise ConfigError(f"{directory}: {error}") from None
    return living


def _read(directory: Path, default: Path, name: str) -> tuple[str, str]:
    file = directory / name
    if not file.exists():
        file = default / name
    return str(file), read(file)


def unfit(config: Config) -> str | None:
    """Why the thresholds cannot bear a living part."""
    sizes = [int(size) // 1000 for size in config.windows]
    for size in (SHORT_S, LONG_S):
        if size not in sizes:
            return f"windows of the thresholds: expected {size}s among them: signals are made of its statistics"
    for name in VITALS:
        metric = config.metrics.get(name)
        if metric is None or metric.range is None:
            return f"metrics.{name} of the thresholds: expected, with a range: signals are made of the four vitals"
    return None


def _rules(living: Living) -> Iterator[tuple[str, list[str], str]]:
    """Section, path and text of each rule."""
    for name, voice in living.voices.voices.items():
        for i, rule in enumerate(voice.activate):
            yield "voices", ["voices", name, "activate", str(i), "when"], rule.when
        yield "voices", ["voices", name, "silent_when"], voice.silent_when
    for i, pair in enumerate(living.voices.opposing):
        yield "voices", ["opposing", str(i), "when"], pair.when
    for name, symbol in living.voices.symbols.items():
        if symbol.when is not None:
            yield "voices", ["symbols", name, "when"], symbol.when
    for name, action in living.actions.actions.items():
        yield "actions", ["actions", name, "when"], action.when
    for i, refusal in enumerate(living.actions.refuse):
        yield "actions", ["refuse", str(i), "when"], refusal.when


def _rule_error(error: RuleError, name: str, root: Any, steps: list[str]) -> str:
    node = root
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            node = next(value for key, value in node.value if key.value == step)
        else:
            node = node.value[int(step)]
    quoted = 1 if node.style in ("'", '"') else 0
    line = node.start_mark.line + error.line
    column = error.column + (node.start_mark.column + quoted if error.line == 1 else 0)
    return f"{name}:{line}: {'.'.join(steps)}: column {column}: {error.reason}"


def _problems(living: Living, config: Config) -> Iterator[tuple[str, list[str], str]]:
    """What neither types nor the engine's own specifications refuse, or not with the place: section, path, what was expected."""
    known = living.voices.voices
    for steps, voice in _voice_names(living.voices):
        if voice not in known:
            yield "voices", steps, f"expected one of {', '.join(known)}, got {voice}"
    budget = living.budget
    for metric in budget.objectives:
        if metric not in config.metrics:
            yield "budget", ["objectives", metric], "expected a metric of the thresholds"
    for i, burn in enumerate(budget.burn):
        if burn.rate <= 0:
            yield "budget", ["burn", str(i), "rate"], "expected a rate above 0"
        if burn.short >= burn.long:
            yield "budget", ["burn", str(i), "short"], "expected a window below the long one"
    for name, action in living.actions.actions.items():
        if not 1 <= action.strength <= 10:
            yield "actions", ["actions", name, "strength"], "expected 1 to 10"
    if living.actions.limit < 0:
        yield "actions", ["limit"], "expected 0 or more"
    alerts = living.alerts
    for priority in ("P0", "P1", "P2"):
        if priority not in alerts.chains:
            yield "alerts", ["chains"], f"expected a chain for {priority}"
    for priority, chain in alerts.chains.items():
        for i, step in enumerate(chain.steps):
            if step.role not in alerts.people:
                yield "alerts", ["chains", priority, "steps", str(i), "role"], "expected a role that people lists: nobody would be told"
            if i and step.after < chain.steps[i - 1].after:
                yield "alerts", ["chains", priority, "steps", str(i), "after"], "expected at or after the step before it"


def _voice_names(voices: Voices) -> Iterator[tuple[list[str], str]]:
    """Each place at which a voice is named."""
    yield ["synthesizer"], voices.synthesizer
    yield ["guardian"], voices.guardian
    for i, pair in enumerate(voices.opposing):
        for voice in (*pair.pair, pair.prefer, *([pair.otherwise] if pair.otherwise else [])):
            yield ["opposing", str(i)], voice
    for i, synergy in enumerate(voices.synergies):
        for voice in synergy:
            yield ["synergies", str(i)], voice
    for name, symbol in voices.symbols.items():
        if symbol.voice is not None:
            yield ["symbols", name, "voice"], symbol.voice
    for name, mode in voices.modes.items():
        yield ["modes", name, "voice"], mode.voice


def _parts(living: Living, book: RuleBook) -> Iterator[tuple[str, list[str], Callable[[], object]]]:
    """Parts whose own specification refuses them without saying which of several it is: section, path, what makes it."""
    places = {name: place for place, name in enumerate(living.voices.voices)}
    for i, pair in enumerate(living.voices.opposing):
        yield "voices", ["opposing", str(i)], partial(PairSpec, pair, places, book)
    budget = living.budget
    yield "budget", ["window"], partial(WindowSpec, int(budget.window))
    for i, burn in enumerate(budget.burn):
        yield "budget", ["burn", str(i), "long"], partial(WindowSpec, int(burn.long))
        yield "budget", ["burn", str(i), "short"], partial(WindowSpec, int(burn.short))
    yield "budget", ["objective"], partial(MetricBudget, "all metrics", budget.objective, [], [])
    for metric, objective in budget.objectives.items():
        yield "budget", ["objectives", metric], partial(MetricBudget, metric, objective, [], [])
    for section, field, windows in (
        ("actions", "no_injection", living.actions.no_injection),
        ("alerts", "silences", living.alerts.silences),
    ):
        for i, window in enumerate(windows):
            for name, time in (("start", window.start), ("end", window.end)):
                only = msgspec.structs.replace(window, start=time, end=time)
                yield section, [field, str(i), name], partial(Calendar, [only])


def _field(text: str, steps: list[str]) -> tuple[list[str], str]:
    """Path and reason of a specification's refusal, which may begin with the path of the field; `steps` are known already."""
    field, colon, what = text.partition(": ")
    path = field.split(".")
    if not colon or _FIELD.match(field) is None or (steps and path[0] != steps[0]):
        return steps, text
    return (path if len(path) > len(steps) else steps), what
