"""The signals that rules may name: the vitals of the configuration, and the derived and published signals."""

from __future__ import annotations

from processors.numbers import to_int
from schemas.config import Config, has_ladder

COMPUTED_YES_NO = ("stagnation", "rigidity", "conflict", "multiple_voices_active", "synthesis_completed")
COMPUTED_NUMBERS = (
    "stagnation_duration",
    "volatility",
    "synthesis_readiness",
    "pain_trend",
    "trust_trend",
    "coherence",
    "vitality",
    "delta_rhythm",
    "alive_index",
    "heartbeat",
    "creative_potential",
)
PUBLISHED_YES_NO = (
    "truth_suppression",
    "needs_organization",
    "ethical_violation",
    "ethical_compliance",
    "system_threat",
    "synthesis_needed",
    "ready_for_major_change",
)
PUBLISHED_NUMBERS = (
    "system_chaos",
    "drift",
    "interruptions",
    "truth_violations",
    "accuracy",
    "complexity",
    "structure_score",
    "decision_impact_score",
)
UNJUDGED = frozenset((*COMPUTED_YES_NO, *COMPUTED_NUMBERS, *PUBLISHED_YES_NO, "drift", "interruptions"))
"""What no metric with a ladder may be called: signals that Iskra computes, that are yes or no, or that computed ones read."""
VITALS = ("clarity", "chaos", "trust", "pain")
"""What the definitions of the derived signals speak of."""


class Catalogue:
    """Names with their places in `Facts`: vitals first, in the order of the configuration; then the signals.

    `yes_no` tells which are true or false; `spans` are the vitals' ranges (high − low), `limits` their legal values, `least` and
    `greatest` the same × 10⁹.
    """

    __slots__ = ("greatest", "least", "limits", "names", "places", "spans", "vitals", "yes_no")

    def __init__(self, config: Config) -> None:
        judged = [name for name, metric in config.metrics.items() if has_ladder(metric)]
        self.vitals = len(judged)
        self.names = [*judged]
        for group in (COMPUTED_YES_NO, PUBLISHED_YES_NO, COMPUTED_NUMBERS, PUBLISHED_NUMBERS):
            self.names += [name for name in group if name not in judged]
        self.places = {name: place for place, name in enumerate(self.names)}
        self.yes_no = [name in COMPUTED_YES_NO or name in PUBLISHED_YES_NO for name in self.names]
        ranges = [config.metrics[name].range or config.metrics[name].values for name in judged]
        self.spans = [high - low for low, high in ranges]
        self.limits = [config.metrics[name].values for name in judged]
        self.least = [to_int(low) for low, _ in self.limits]
        self.greatest = [to_int(high) for _, high in self.limits]
