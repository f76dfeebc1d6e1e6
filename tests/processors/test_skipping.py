"""§5, §8: what a point may be spared, seen where it is nearly seen too late."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import msgspec
from hypothesis import strategies as st

from processors.engine import PartitionEngine
from processors.numbers import to_int
from schemas.config import Config
from schemas.durations import Duration
from tests.processors.lively import LIVELY
from tests.processors.profiles import cases
from tests.processors.settings import TOPIC

START = 1_000_001
"""Not a second at which signals are told."""


def acting(when: str, for_ms: int) -> Config:
    """One action's condition is `when`; no bound of a vital is near, and a window is 3 s long."""
    replace = msgspec.structs.replace
    assert LIVELY.living is not None
    section = LIVELY.living.actions
    actions = {
        name: replace(action, when=when if name == "activate_pino_hundun" else "pain > 0.995", for_=Duration(for_ms))
        for name, action in section.actions.items()
    }
    metrics = {
        name: replace(metric, low=type(metric.low)(P2=0.01), high=type(metric.high)(P2=0.99)) for name, metric in LIVELY.metrics.items()
    }
    judging = replace(LIVELY.defaults, window=Duration(3000), fast_window=Duration(1000), min_points=1)
    living = replace(LIVELY.living, actions=replace(section, actions=actions))
    return replace(LIVELY, living=living, metrics=metrics, defaults=judging)


def requested(config: Config, points: list[tuple[float, str, float]]) -> list[int]:
    """The instants (ms after the start) at which the action is asked for; a point is (second, metric, value)."""
    engine = PartitionEngine(config, topic=TOPIC, partition=0, partitions=1)
    found = []
    for offset, (second, metric, value) in enumerate(points):
        ts = START * 1000 + round(second * 1000)
        record = json.dumps({"subject": "alpha", "metric": metric, "value": value, "ts": ts}).encode()
        for out in engine.points(offset, ts, record):
            told: Any = out.value
            if out.topic == "actions.events" and told.state == "requested":
                found.append(out.ts - START * 1000)
    return found


def test_a_mean_that_slid_past_a_limit_is_seen_at_the_next_point() -> None:
    """Clarity's window has slid past 0.48 since its last judging, when nobody watched it; then chaos makes that limit matter."""
    points = [(n + 0.1, "clarity", 0.40 if n == 0 else 0.49) for n in range(3)]
    points += [(n + 0.2, "chaos", 0.45) for n in range(3)]
    points += [(3.1, "chaos", 0.7), (3.5, "clarity", 0.475), (4.1, "trust", 0.7)]
    assert requested(acting("chaos > 0.5 and clarity > 0.48", 0), sorted(points)) == [3500]


def test_a_published_value_ends_at_its_instant_also_if_it_changed_nothing() -> None:
    """Accuracy ends at 16.5 while chaos does not hold the rule any more: its time begins anew with chaos at 16.7."""
    points = [(n + 0.1, "chaos", 0.7 if n < 4 else 0.2) for n in range(17)]
    points += [(1.5, "accuracy", 1.0), (16.6, "chaos", 0.2)]
    points += [(16.7 + n / 100, "chaos", 0.985) for n in range(4)]
    points += [(n + 0.75, "chaos", 0.8) for n in range(17, 37)]
    (instant, *_) = requested(acting("accuracy > 0.5 or chaos > 0.5", 17_000), sorted(points))
    assert 33_700 <= instant <= 34_000


@cases(2000)
@hypothesis.given(
    st.one_of(
        st.floats(-1e9, 1e9),
        st.floats(-3e6, 3e6),
        st.integers(-(10**12), 10**12).map(lambda n: (n + 0.5) / 1e9),
        st.integers(-5, 5).map(lambda n: (2**51 + n) / 1e9),
        st.integers(-5, 5).map(lambda n: -(2**51 + n) / 1e9),
        st.sampled_from((0.0, -0.0, 5e-324, 0.5e-9, -0.5e-9, 1.5e-9, 1e9, -1e9)),
    )
)
def test_numbers_become_integers_as_the_law_rounds(value: float) -> None:
    """The nearest to the double product value × 10⁹, half to even, for small and great, negative and half-way values."""
    assert to_int(value) == round(value * 1e9)
