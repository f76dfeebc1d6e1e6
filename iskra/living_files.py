"""The files of the living part: signals, budget, voices, actions, escalation. Rules are compiled to see that they are sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from iskra.yaml_files import ConfigError, compose, convert, line_of
from processors.catalogue import VITALS, Catalogue
from processors.living import LifeSpec
from processors.rules import RuleBook, RuleError
from processors.signal_spec import LONG_S, SHORT_S
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


def load(directory: Path, default: Path, config: Config) -> Living | None:
    """The living part for the thresholds of `config`, from the files in `directory`, else from those in `default`.

    None where no file of it stands in `directory` and the thresholds are not those of the four vitals.

    Raises:
        ConfigError: a file has an unknown key or a wrong type, or a rule, name or number in it does not fit.
    """
    unfit = _unfit(config)
    if unfit:
        if not any((directory / name).exists() for name in FILES.values()):
            return None
        raise ConfigError(f"{directory / FILES['signals']}:1: {unfit}")
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
    for key, steps, what in _problems(living, config):
        raise ConfigError(f"{texts[key][0]}:{line_of(parsed[key][0], steps)}: {'.'.join(steps)}: {what}")
    try:
        LifeSpec(config, living)
    except ValueError as error:
        raise ConfigError(f"{directory}: {error}") from None
    return living


def _read(directory: Path, default: Path, name: str) -> tuple[str, str]:
    file = directory / name
    if not file.exists():
        file = default / name
    try:
        return str(file), file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}:1: {getattr(error, 'strerror', None) or error}") from None


def _unfit(config: Config) -> str | None:
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
    """What the types cannot say: names that must exist, orders, units."""
    voices = living.voices
    known = ", ".join(voices.voices)
    for field in ("synthesizer", "guardian"):
        if getattr(voices, field) not in voices.voices:
            yield "voices", [field], f"expected one of {known}"
    for i, pair in enumerate(voices.opposing):
        for voice in (*pair.pair, pair.prefer, *([pair.otherwise] if pair.otherwise else [])):
            if voice not in voices.voices:
                yield "voices", ["opposing", str(i)], f"{voice}: expected one of {known}"
        if pair.pair[0] == pair.pair[1] or pair.prefer not in pair.pair or (pair.otherwise or pair.prefer) not in pair.pair:
            yield "voices", ["opposing", str(i)], "expected two voices, and of them the preferred one"
    for i, synergy in enumerate(voices.synergies):
        for voice in synergy:
            if voice not in voices.voices:
                yield "voices", ["synergies", str(i)], f"{voice}: expected one of {known}"
    for name, symbol in voices.symbols.items():
        if symbol.voice is not None and symbol.voice not in voices.voices:
            yield "voices", ["symbols", name, "voice"], f"expected one of {known}"
    if sum(1 for symbol in voices.symbols.values() if symbol.when is None) != 1:
        yield "voices", ["symbols"], "expected exactly one without a condition, the resting symbol"
    for name, mode in voices.modes.items():
        if mode.voice not in voices.voices or mode.symbol not in voices.symbols:
            yield "voices", ["modes", name], "expected a known voice and a known symbol"
    budget = living.budget
    for metric in budget.objectives:
        if metric not in config.metrics:
            yield "budget", ["objectives", metric], "expected a metric of the thresholds"
    for objective, steps in ((budget.objective, ["objective"]), *((o, ["objectives", m]) for m, o in budget.objectives.items())):
        if not 0 < objective < 1:
            yield "budget", steps, "expected a share between 0 and 1, both excluded"
    for i, burn in enumerate(budget.burn):
        if burn.rate <= 0 or burn.short >= burn.long:
            yield "budget", ["burn", str(i)], "expected a rate above 0 and the short window below the long one"
    for name, action in living.actions.actions.items():
        if not 1 <= action.strength <= 10:
            yield "actions", ["actions", name, "strength"], "expected 1 to 10"
        if action.metric not in config.metrics:
            yield "actions", ["actions", name, "metric"], "expected a metric of the thresholds"
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
