"""Configurations to test with: the one that comes with Iskra, and small ones in which deep states are a few seconds away."""

from __future__ import annotations

from typing import Any

import msgspec

from iskra.config_files import _first_problem as first_problem
from iskra.config_files import load
from schemas.config import Config
from schemas.durations import decode_hook

TOPIC = "iskra.metrics.points"

DEFAULT = msgspec.structs.replace(load(), living=None)
"""Statuses alone: what the literal implementation of the law in `tests/reference` computes."""

_SMALL: dict[str, Any] = {
    "version": 1,
    "time": {
        "allowed_lateness": "2s",
        "max_age": "40s",
        "max_skew": "2s",
        "idle_after": 3,
        "expire_after": 30,
    },
    "windows": ["1s", "2s", "10s"],
    "defaults": {
        "statistic": "mean",
        "window": "5s",
        "slide": "1s",
        "fast_window": "2s",
        "fast_min_points": 2,
        "min_points": 2,
        "hysteresis": 0.02,
        "for": {"P0": "0s", "P1": "1s", "P2": "2s"},
        "clear_for": "2s",
        "missing_after": "6s",
        "stuck_after": "7s",
    },
    "metrics": {
        "clarity": {
            "values": [0, 1],
            "low": {"P2": 0.70, "P1": 0.65, "P0": 0.50},
            "high": {"P2": 0.85, "P1": 0.90, "P0": 0.95},
        },
        "trust": {"values": [0, 1], "low": {"P2": 0.60, "P1": 0.55, "P0": 0.40}, "high": {"P2": 0.90, "P1": 0.95}, "min_points": 1},
        # few bounds far apart, no P0 above, no hysteresis, every rung at once
        "load": {
            "low": {"P1": -5.5},
            "high": {"P2": 1000, "P1": 2000.25},
            "hysteresis": 0,
            "clear_for": "0s",
            "for": {"P0": "0s", "P1": "0s", "P2": "0s"},
            "window": "3s",
            "fast_window": "1s",
        },
        # both sides' P0 close together: one crisis may be seen by the long and another by the short mean
        "chaos": {
            "values": [0, 1],
            "low": {"P0": 0.40},
            "high": {"P2": 0.50, "P0": 0.60},
            "min_points": 3,
            "fast_min_points": 1,
            "window": "4s",
            "fast_window": "2s",
            "stuck_after": "4s",
            "missing_after": "4s",
            "hysteresis": 0.05,
            "for": {"P0": "1s", "P1": "2s", "P2": "0s"},
        },
    },
    "subjects": [{"match": "*/slow*", "idle_after": 6, "missing_after": "9s"}],
}


def config(**changes: Any) -> Config:
    """The small configuration with parts replaced: `config(time={"idle_after": 5})` changes one field of `time`."""
    tree = {**_SMALL}
    for part, change in changes.items():
        tree[part] = {**tree[part], **change} if isinstance(change, dict) and isinstance(tree.get(part), dict) else change
    made = msgspec.convert(tree, Config, dec_hook=decode_hook)
    assert not first_problem(made)
    return made


SMALL = config()

OTHER_BOUNDS = config(
    tenants=["default"],
    windows=["2s", "4s", "10s"],
    defaults={"clear_for": "1s", "min_points": 3, "missing_after": "4s", "stuck_after": "5s"},
    metrics={
        **_SMALL["metrics"],
        "clarity": {"values": [0, 1], "low": {"P2": 0.72, "P1": 0.66}, "high": {"P2": 0.80, "P1": 0.91, "P0": 0.96}},
        "trust": {"values": [0.5, 1], "high": {"P1": 0.9, "P0": 0.95}},
    },
    subjects=[],
)
"""Takes the place of `SMALL` in the middle of a stream: other windows, bounds and times, rungs gone and rungs new, a tenant unknown."""

NO_LATENESS = config(time={"allowed_lateness": "0s", "max_skew": "0s", "idle_after": 1, "expire_after": 12}, subjects=[])

PATIENT = config(
    time={"idle_after": 5, "allowed_lateness": "4s"},
    windows=["3s", "7s"],
    metrics={"mood": {"label": "in the order of the configuration, but without a bound"}},
    defaults={"window": "8s", "fast_window": "8s", "fast_min_points": 4, "for": {"P0": "500ms", "P1": "1500ms", "P2": "2500ms"}},
)
"""Durations that are no whole seconds, window sizes that do not divide a minute."""

SMALL_ONES = {"small": SMALL, "no lateness": NO_LATENESS, "patient": PATIENT}
