"""Parameters of the derived signals, at hand."""

from __future__ import annotations

from typing import Final

from processors.catalogue import COMPUTED_NUMBERS, COMPUTED_YES_NO, VITALS, Catalogue
from schemas.config import Config
from schemas.living import DeltaRhythm
from schemas.living import Signals as Parameters

SHORT_S: Final = 10
"""Windows behind `stagnation` and the trends, s."""
LONG_S: Final = 60
"""Windows behind `rigidity`, s."""


class Vital:
    """Bounds of one of the four vitals: optimal band, target, half of its range, and critical bounds (P0)."""

    __slots__ = ("critical_high", "critical_low", "half", "high", "low", "place", "target")

    def __init__(self, name: str, config: Config, catalogue: Catalogue) -> None:
        metric = config.metrics[name]
        least, greatest = metric.values
        low, high = metric.range or metric.values
        self.place = catalogue.places[name]
        self.half = (high - low) / 2
        self.low, self.high = metric.optimal or (low, high)
        self.target = metric.target if metric.target is not None else (low + high) / 2
        self.critical_low = metric.low.P0 if metric.low.P0 is not None else least
        self.critical_high = metric.high.P0 if metric.high.P0 is not None else greatest


class Weights:
    """Weights of the rhythm, at hand."""

    __slots__ = (
        "beta",
        "calm",
        "chaos_rise",
        "clarity",
        "drift_rise",
        "interruptions",
        "memory",
        "order",
        "penalty_limit",
        "steadiness",
        "trust",
    )

    def __init__(self, rhythm: DeltaRhythm) -> None:
        self.trust = rhythm.trust
        self.clarity = rhythm.clarity
        self.calm = rhythm.calm
        self.steadiness = rhythm.steadiness
        self.order = rhythm.order
        self.chaos_rise = rhythm.chaos_rise
        self.drift_rise = rhythm.drift_rise
        self.interruptions = rhythm.interruptions
        self.penalty_limit = rhythm.penalty_limit
        self.memory = rhythm.memory
        self.beta = rhythm.beta


class SignalsSpec:
    """Parameters of the signals, with the places of their names."""

    def __init__(self, parameters: Parameters, config: Config, catalogue: Catalogue) -> None:
        self.parameters = parameters
        self.names = catalogue.names
        self.vitals = [Vital(name, config, catalogue) for name in VITALS]
        self.places = {name: catalogue.places[name] for name in (*COMPUTED_YES_NO, *COMPUTED_NUMBERS)}
        self.publishable = {name: place for name, place in catalogue.places.items() if place >= catalogue.vitals}
        self.yes_no = catalogue.yes_no
        self.weights = Weights(parameters.delta_rhythm)
        self.rhythm = catalogue.places["delta_rhythm"]
        self.duration = catalogue.places["stagnation_duration"]
        self.potential = catalogue.places["creative_potential"]
        self.drift = catalogue.places["drift"]
        self.volatility = catalogue.places["volatility"]
        self.interruptions = catalogue.places["interruptions"]
        self.stagnation = catalogue.places["stagnation"]
        self.rigidity = catalogue.places["rigidity"]
        self.trust_trend = catalogue.places["trust_trend"]
        self.ttl = int(parameters.ttl)
        self.lag = int(parameters.volatility_lag) // 1000
        self.short = int(parameters.stagnation.window) // 1000 // SHORT_S
        self.trend = int(parameters.trend) // 1000 // SHORT_S
        self.kept = max(self.short, self.trend)
        self.long = int(parameters.rigidity.window) // 1000 // LONG_S
