"""The configuration as the engine uses it: integers in place of numbers, one `MetricSpec` a metric.

Values, bounds and hysteresis are integers (value × 10⁹, semantics §2), times ms, windows whole seconds.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from math import gcd

from processors.living import LifeSpec
from processors.numbers import PRIORITIES, to_int
from schemas.config import Bounds, Config, Judging, Metric, config_hash, judging_of
from schemas.outputs import Side


class RungSpec:
    """One bound of a metric: beyond it the rung is entered after `for_ms`, inside `inside` it is left after `clear_ms`."""

    __slots__ = ("bound", "clear_ms", "for_ms", "inside", "priority", "side")

    def __init__(self, side: Side, priority: int, bound: int, hysteresis: int, for_ms: int, clear_ms: int) -> None:
        self.side: Side = side
        self.priority = priority  # 0 for P0 … 2 for P2
        self.bound = bound
        self.inside = bound - hysteresis if side == "high" else bound + hysteresis
        self.for_ms = for_ms
        self.clear_ms = clear_ms


class MetricSpec:
    """How one metric is admitted and judged. `rungs` is empty where the metric has no ladder."""

    __slots__ = (
        "fast_min_points",
        "fast_window",
        "greatest",
        "least",
        "max_value",
        "min_points",
        "min_value",
        "missing_ms",
        "name",
        "order",
        "rungs",
        "statistic",
        "stuck_ms",
        "window",
    )

    def __init__(self, name: str, order: int, metric: Metric, judging: Judging) -> None:
        self.name = name
        self.order = order
        self.min_value, self.max_value = metric.values
        self.least, self.greatest = to_int(self.min_value), to_int(self.max_value)
        self.statistic = judging.statistic
        self.window = judging.window // 1000
        self.fast_window = judging.fast_window // 1000
        self.fast_min_points = judging.fast_min_points
        self.min_points = judging.min_points
        self.missing_ms = int(judging.missing_after)
        self.stuck_ms = int(judging.stuck_after)
        hysteresis = to_int(judging.hysteresis)
        # high before low: when both sides' P0 are entered at one judging, low is the later one and counts (semantics §5)
        sides: tuple[tuple[Side, Bounds], ...] = (("high", metric.high), ("low", metric.low))
        self.rungs = tuple(
            RungSpec(side, priority, to_int(bound), hysteresis, int(getattr(judging.for_, PRIORITIES[priority])), int(judging.clear_for))
            for side, bounds in sides
            for priority in (2, 1, 0)
            if (bound := getattr(bounds, PRIORITIES[priority])) is not None
        )


class SubjectTiming:
    """What a subject may be given in place of the defaults: ticks of silence, and `missing_after` in ms (None: the metric's)."""

    __slots__ = ("idle_after", "missing_ms")

    def __init__(self, idle_after: int, missing_ms: int | None) -> None:
        self.idle_after = idle_after
        self.missing_ms = missing_ms


class Compiled:
    """A configuration ready to judge with."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.hash = config_hash(config)
        self.tenants = None if config.tenants is None else frozenset(config.tenants)
        self.lateness_ms = int(config.time.allowed_lateness)
        self.lateness = self.lateness_ms // 1000
        self.max_age_ms = int(config.time.max_age)
        self.max_skew_ms = int(config.time.max_skew)
        self.idle_after = config.time.idle_after
        self.expire_after = config.time.expire_after
        self.sizes = [size // 1000 for size in config.windows]
        self.base = gcd(*self.sizes)
        """Length in s of the parts that all windows are made of."""
        self.metrics = {
            name: MetricSpec(name, order, metric, judging_of(metric, config.defaults))
            for order, (name, metric) in enumerate(config.metrics.items())
        }
        self._plain = judging_of(Metric(), config.defaults)
        self.life = None if config.living is None else LifeSpec(config, config.living)

    def metric(self, name: str) -> MetricSpec:
        """The metric's specification; a metric that the configuration does not name has no ladder and comes last."""
        spec = self.metrics.get(name)
        return spec if spec is not None else MetricSpec(name, len(self.metrics), Metric(), self._plain)

    def timing(self, key: str) -> SubjectTiming:
        """Timing of the subject `tenant/subject`: the first override whose pattern matches, else the defaults."""
        for override in self.config.subjects:
            if fnmatchcase(key, override.match):
                idle = self.idle_after if override.idle_after is None else override.idle_after
                return SubjectTiming(idle, None if override.missing_after is None else int(override.missing_after))
        return SubjectTiming(self.idle_after, None)
