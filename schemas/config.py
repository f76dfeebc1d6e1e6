"""Models of the configuration: exactly what stands in `config/*.yml`, strictly typed, unknown keys refused.

A configuration is identified by its hash (12 hex digits), which every verdict carries; a marker record in each
partition of the points topic says from where on it judges (semantics §1).
"""

from __future__ import annotations

import hashlib

import msgspec
import orjson

from schemas.durations import Duration, decode_hook
from schemas.living import Living

ENGINE_VERSION = 1
"""Part of every configuration's hash: a new version of the engine is a new configuration in the log."""


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of one side of a metric, by priority; null: no such rung."""

    P2: float | None = None
    P1: float | None = None
    P0: float | None = None


class For(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a statistic must be beyond a bound before its rung is entered, by priority."""

    P0: Duration
    P1: Duration
    P2: Duration


class Judging(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a metric is judged; the defaults of all metrics, each of which may override any of them.

    `window` and `fast_window` are whole seconds, the fast one not longer than the other. Counts are points.
    """

    statistic: str
    window: Duration
    slide: Duration
    fast_window: Duration
    fast_min_points: int
    min_points: int
    hysteresis: float
    for_: For = msgspec.field(name="for")
    clear_for: Duration
    missing_after: Duration
    stuck_after: Duration


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A metric with a ladder. `values` are the least and greatest legal value; `range`, `optimal` and `target` are for people."""

    label: str = ""
    values: tuple[float, float] = (-1e9, 1e9)
    range: tuple[float, float] | None = None
    optimal: tuple[float, float] | None = None
    target: float | None = None
    cooldown: Duration = Duration(0)
    low: Bounds = Bounds()
    high: Bounds = Bounds()
    statistic: str | None = None
    window: Duration | None = None
    slide: Duration | None = None
    fast_window: Duration | None = None
    fast_min_points: int | None = None
    min_points: int | None = None
    hysteresis: float | None = None
    for_: For | None = msgspec.field(default=None, name="for")
    clear_for: Duration | None = None
    missing_after: Duration | None = None
    stuck_after: Duration | None = None


def has_ladder(metric: Metric) -> bool:
    """Whether the metric is judged: one bound of it stands at least (0 is one)."""
    return any(getattr(side, priority) is not None for side in (metric.low, metric.high) for priority in Bounds.__struct_fields__)


def judging_of(metric: Metric, defaults: Judging) -> Judging:
    """How `metric` is judged: its own settings over the defaults."""
    own = {field: getattr(metric, field) for field in Judging.__struct_fields__ if getattr(metric, field) is not None}
    return msgspec.structs.replace(defaults, **own)


class Time(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Admission and silence (semantics §3). `idle_after` and `expire_after` are numbers of ticks."""

    allowed_lateness: Duration
    max_age: Duration
    max_skew: Duration
    idle_after: int
    expire_after: int


class SubjectOverride(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Other timing for some subjects: `match` is a shell pattern on `tenant/subject`; the first that matches counts."""

    match: str
    idle_after: int | None = None
    missing_after: Duration | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole configuration of the engine.

    `windows` are sizes of tumbling windows (whole seconds); `tenants` lists the known ones (null: every legal name);
    `metrics` are those with a ladder, in the order in which statuses are emitted; `living` is everything from signals to
    alerts (null: statuses only).
    """

    version: int
    tenants: list[str] | None = None
    time: Time
    windows: list[Duration]
    defaults: Judging
    metrics: dict[str, Metric]
    subjects: list[SubjectOverride] = []
    living: Living | None = None


def to_json(config: Config) -> bytes:
    """The canonical body: JSON, durations as integer ms. What the topic `config` holds.

    Fields stand in the models' order and metrics in the configuration's, which is that of the outputs: sorted keys would lose it.
    """
    return orjson.dumps(msgspec.to_builtins(config, enc_hook=int))


def from_json(body: bytes) -> Config:
    """The configuration from its canonical body.

    Raises:
        ValueError: it is no JSON, or does not fit the model.
    """
    return msgspec.convert(orjson.loads(body), Config, dec_hook=decode_hook)


def config_hash(config: Config) -> str:
    """12 hex digits that name the configuration together with the engine's version."""
    return _hash(to_json(config), ENGINE_VERSION)


def published(name: str, body: bytes) -> Config:
    """The configuration that stands on the topic `config` under the hash `name`, of this or an earlier version of the engine.

    Raises:
        ValueError: the body is no configuration, or not the one that the hash names.
    """
    config = from_json(body)
    if all(_hash(body, version) != name for version in range(ENGINE_VERSION, 0, -1)):
        raise ValueError(f"its hash is {_hash(body, ENGINE_VERSION)}")
    return config


def _hash(body: bytes, version: int) -> str:
    return hashlib.sha256(b"engine %d " % version + body).hexdigest()[:12]
