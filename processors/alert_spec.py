"""The configuration of alerts, as they use it."""

from __future__ import annotations

import re

from processors.alert import Occasion, occasion_of_budget
from processors.budget import WindowSpec
from processors.escalation import Escalation
from processors.numbers import PRIORITIES
from schemas import living
from schemas.events import BudgetState


class AlertsSpec:
    """The configuration of alerts.

    Args:
        alerts: the section. metrics: those with a ladder, in the order of the configuration.
        actions, voices: by metric, the automatic actions and the voices that it may set off, as events tell them.
        burn: the pairs of windows of the error budget.
    Raises:
        ValueError: a number, a role or a time that cannot be.
    """

    __slots__ = (
        "actions",
        "burn",
        "escalation",
        "flapping_changes",
        "flapping_ms",
        "page",
        "places",
        "ticket",
        "unknown",
        "unknown_ms",
        "voices",
    )

    def __init__(
        self,
        alerts: living.Alerts,
        metrics: list[str],
        actions: dict[str, list[str]],
        voices: dict[str, list[str]],
        burn: list[living.BurnWindow],
    ) -> None:
        if alerts.flapping_changes < 2:
            raise ValueError(f"flapping_changes: expected 2 or more, got {alerts.flapping_changes}")
        self.escalation = Escalation(alerts)
        self.flapping_changes = alerts.flapping_changes
        self.flapping_ms = int(alerts.flapping_window)
        self.unknown_ms = int(alerts.unknown_after)
        self.unknown = PRIORITIES.index(alerts.unknown_priority)
        self.page = PRIORITIES.index(alerts.page_priority)
        self.ticket = PRIORITIES.index(alerts.ticket_priority)
        self.places = {name: place for place, name in enumerate(metrics)}
        self.actions = actions
        self.voices = voices
        self.burn = burn

    def occasion(self, named: str, state: BudgetState, now: int) -> Occasion:
        """What a budget's state gives rise to, with the long window of the pair that was reached."""
        for pair in self.burn:
            if pair.alert == state.alert and pair.rate == state.threshold:
                return occasion_of_budget(named, state, now, WindowSpec(pair.long).label, int(pair.long))
        return occasion_of_budget(named, state, now, None, None)


def triggers(section: living.Living, metrics: list[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """By metric: the automatic actions that belong to it, and the voices of which an activation rule names it."""
    actions = {m: [name for name, action in section.actions.actions.items() if action.metric == m] for m in metrics}
    voices = {
        m: [name for name, voice in section.voices.voices.items() if any(re.search(rf"\b{m}\b", a.when) for a in voice.activate)]
        for m in metrics
    }
    return actions, voices
