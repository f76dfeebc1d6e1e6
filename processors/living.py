"""The living part of a configuration, compiled: catalogue, rules and the specifications of its state machines."""

from __future__ import annotations

from processors.actions import ActionsSpec
from processors.alert_spec import AlertsSpec, triggers
from processors.budget import BudgetSpec
from processors.catalogue import VITALS, Catalogue
from processors.rules import RuleBook
from processors.signal_spec import SignalsSpec
from processors.voice_spec import VoicesSpec
from processors.watching import Watching
from schemas.config import Config
from schemas.living import Living


class LifeSpec:
    """What `Life` needs of a configuration.

    Attributes:
        places: place of each vital in the catalogue, by metric. numbers: of each of the four vitals that signals are made of.
        signals: places of the signals that may be published, by metric.
        sample_s: the signals are told at whole seconds that it divides. every_second: some rule reads a signal that else
            only a sample needs.
    Raises:
        ValueError: a rule or an action that does not fit (RuleError among them).
    """

    def __init__(self, config: Config, living: Living) -> None:
        self.catalogue = Catalogue(config)
        self.book = RuleBook(self.catalogue)
        self.watching = Watching(self.book)
        self.voices = VoicesSpec(living.voices, living.signals, self.book)
        self.actions = ActionsSpec(living.actions, config.metrics, self.book)
        self.signals = SignalsSpec(living.signals, config, self.catalogue)
        judged = self.catalogue.names[: self.catalogue.vitals]
        self.budget = BudgetSpec(living.budget, judged)
        self.alerts = AlertsSpec(living.alerts, judged, *triggers(living, judged), living.budget.burn)
        # those of the gate and of pairs are read only where they are asked for, those of silence only while their voice speaks
        self.live = 0
        for voice in self.voices.voices:
            for activation in voice.activations:
                self.live |= 1 << activation.rule
        for symbol in self.voices.symbols:
            if symbol.rule >= 0:
                self.live |= 1 << symbol.rule
        for action in self.actions.actions:
            self.live |= 1 << action.rule
        self.silencing = {voice.name: 1 << voice.silent_rule for voice in self.voices.voices}
        self.places = {name: place for place, name in enumerate(judged)}
        self.numbers = {name: number for number, name in enumerate(VITALS)}
        self.published = self.signals.publishable
        self.sample_s = max(1, int(living.signals.sample_every) // 1000)
        told = ("volatility", "heartbeat", "coherence", "vitality", "alive_index")
        self.every_second = any(self.book.by_signal[self.catalogue.places[name]] for name in told)
