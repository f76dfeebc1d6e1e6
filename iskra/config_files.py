"""Reads the configuration's YAML files; each error names file, line, field and what was expected."""

from __future__ import annotations

import difflib
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec

from iskra import living_files
from iskra.yaml_files import ConfigError, compose, convert, line_of, read
from processors.catalogue import UNJUDGED
from schemas.config import Config, Judging, Metric, has_ladder, judging_of
from schemas.points import METRIC_NAME

__all__ = ["DEFAULT_DIR", "THRESHOLDS", "ConfigError", "load", "load_all", "parse"]

THRESHOLDS = "slo-thresholds-matrix.yml"
SUBJECT_MODEL = "subject-model.yml"
STATES = "states.yml"
FILES = (THRESHOLDS, *living_files.FILES.values(), "notify.yml", SUBJECT_MODEL, STATES)
"""What is read of a directory, beside its scenarios."""
DEFAULT_DIR = Path(__file__).resolve().parent.parent / "config"

_PRIORITIES = ("P2", "P1", "P0")


def load(directory: Path | None = None) -> Config:
    """The configuration in `directory` (default: the one that comes with Iskra).

    Beside the thresholds it holds the files of the living part; one that is missing is the one that comes with Iskra.
    `living: null` in the thresholds leaves it off: statuses alone.

    Raises:
        ConfigError: a file is missing or of an unknown name, is no YAML, has an unknown key, a wrong type or bounds out of order.
    """
    refuse_unknown(directory or DEFAULT_DIR)
    file = (directory or DEFAULT_DIR) / THRESHOLDS
    text = read(file, f"expected the file {THRESHOLDS} in the directory")
    config, is_switched_off = _parse(text, str(file))
    if is_switched_off:
        return config
    return msgspec.structs.replace(config, living=living_files.load(directory or DEFAULT_DIR, DEFAULT_DIR, config))


def load_all(directory: Path | None = None) -> Config:
    """As `load`, and every other file of the directory is read, too: those of notifications, simulated subjects and scenarios.

    Raises:
        ConfigError: as `load`, of any of them.
    """
    from experiments import scenario
    from iskra import notify_config

    config = load(directory)
    notify_config.load(directory)
    try:
        for file, read_it in ((SUBJECT_MODEL, scenario.load_model), (STATES, scenario.load_states)):
            if ((directory or DEFAULT_DIR) / file).exists():
                read_it(directory)
        for name in scenario.names(directory):
            scenario.load(name, directory)
    except scenario.ScenarioError as error:
        raise ConfigError(str(error)) from None
    return config


def refuse_unknown(directory: Path) -> None:
    """A mistyped name would be passed over, and the file that comes with Iskra taken in its place.

    Raises:
        ConfigError: the directory has a YAML file that nobody reads.
    """
    for file in sorted(path for pattern in ("*.yml", "*.yaml") for path in directory.glob(pattern)):
        if file.name not in FILES and not file.name.startswith("."):
            (nearest,) = difflib.get_close_matches(file.name, FILES, n=1, cutoff=0.0)
            raise ConfigError(f"{file}:1: nobody reads a file of this name; is it {nearest}? Expected are {', '.join(FILES)}")


def parse(text: str, name: str) -> Config:
    """The configuration from the text of a thresholds file; `name` stands for the file in errors.

    Raises:
        ConfigError: as `load`.
    """
    return _parse(text, name)[0]


def _parse(text: str, name: str) -> tuple[Config, bool]:
    """The configuration, and whether the living part is switched off."""
    root, data = compose(text, name)
    _convert_metrics(data, root, name)
    config = convert(data, Config, [], root, name)
    is_switched_off = "living" in data
    problem = _first_problem(config) or (None if is_switched_off or living_files.unfit(config) else _name_problem(config))
    if problem:
        steps, what = problem
        raise ConfigError(f"{name}:{line_of(root, steps)}: {'.'.join(steps)}: {what}")
    return config, is_switched_off


def _convert_metrics(data: Any, root: Any, name: str) -> None:
    """Each metric by itself: in a path through a mapping msgspec does not name the key."""
    metrics = data.get("metrics") if isinstance(data, dict) else None
    if isinstance(metrics, dict):
        for key, value in metrics.items():
            if not isinstance(key, str):
                raise ConfigError(f"{name}:{line_of(root, ['metrics', str(key)])}: metrics.{key}: expected a name, put it in quotes")
            convert(value, Metric, ["metrics", key], root, name)


def _first_problem(config: Config) -> tuple[list[str], str] | None:
    """What the types cannot say: orders and units."""
    if config.living is not None:
        return ["living"], "expected null (statuses alone) or no such key: the living part stands in files of its own"
    if not config.windows:
        return ["windows"], "expected at least one window size"
    for i, size in enumerate(config.windows):
        if size <= 0 or size % 1000 or (i and size <= config.windows[i - 1]):
            return ["windows", str(i)], "expected whole seconds, ascending"
    time = config.time
    for field in ("allowed_lateness", "max_age", "max_skew"):
        if getattr(time, field) < 0 or (field == "allowed_lateness" and time.allowed_lateness % 1000):
            return ["time", field], "expected whole seconds, 0 or more"
    for field in ("idle_after", "expire_after"):
        if getattr(time, field) < 1:
            return ["time", field], "expected 1 tick or more"
    problem = _judging_problem(config.defaults)
    if problem:
        return ["defaults", *problem[0]], problem[1]
    for name, metric in config.metrics.items():
        problem = _metric_problem(name, metric, config.defaults)
        if problem:
            return ["metrics", name, *problem[0]], problem[1]
    for i, override in enumerate(config.subjects):
        if override.idle_after is not None and override.idle_after < 1:
            return ["subjects", str(i), "idle_after"], "expected 1 tick or more"
    return None


def _name_problem(config: Config) -> tuple[list[str], str] | None:
    """A metric with a ladder whose name the living part needs for a signal."""
    for name, metric in config.metrics.items():
        if name in UNJUDGED and has_ladder(metric):
            return ["metrics", name], "expected no bounds, or another name: it is a signal's (or `living: null`, statuses alone)"
    return None


def _judging_problem(judging: Judging) -> tuple[list[str], str] | None:
    if judging.statistic != "mean":
        return ["statistic"], "expected mean"
    if judging.slide != 1000:
        return ["slide"], "expected 1s: verdicts move every second and at each point"
    for field in ("window", "fast_window"):
        if getattr(judging, field) < 1000 or getattr(judging, field) % 1000:
            return [field], "expected whole seconds, 1s or more"
    if judging.fast_window > judging.window:
        return ["fast_window"], "expected at most the window"
    for field in ("fast_min_points", "min_points"):
        if getattr(judging, field) < 1:
            return [field], "expected 1 or more"
    if not 0 <= judging.hysteresis <= 1e9:
        return ["hysteresis"], "expected 0 or more"
    return None


def _metric_problem(name: str, metric: Metric, defaults: Judging) -> tuple[list[str], str] | None:
    if METRIC_NAME.match(name) is None:
        return [], "expected a metric name: a lower-case letter, then up to 63 of a-z 0-9 _"
    problem = _judging_problem(judging_of(metric, defaults))
    if problem:
        return problem
    least, greatest = metric.values
    if not -1e9 <= least < greatest <= 1e9:
        return ["values"], "expected [least, greatest] within ±10⁹"
    for side, sign in (("low", -1), ("high", 1)):
        bounds = [(p, b) for p in _PRIORITIES if (b := getattr(getattr(metric, side), p)) is not None]
        for p, bound in bounds:
            if not least <= bound <= greatest:
                return [side, p], f"expected a bound within [{least:g}, {greatest:g}]"
        for (_, inner), (p, outer) in pairwise(bounds):
            if sign * outer <= sign * inner:
                return [side, p], f"expected {'below' if sign < 0 else 'above'} {inner:g}, the bound before it"
    lows, highs = (
        [b for b in (metric.low.P2, metric.low.P1, metric.low.P0) if b is not None],
        [b for b in (metric.high.P2, metric.high.P1, metric.high.P0) if b is not None],
    )
    if lows and highs and max(lows) >= min(highs):
        return ["high"], "expected above the low bounds"
    for field in ("range", "optimal"):
        pair = getattr(metric, field)
        if pair is not None and pair[0] >= pair[1]:
            return [field], "expected [low, high], low below high"
    return None
