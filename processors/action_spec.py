"""The automatic actions of a configuration, ready to judge with."""

from __future__ import annotations

from processors.calendar import Calendar
from processors.ethics import Gate
from processors.rules import RuleBook
from schemas.config import Metric
from schemas.living import Action, Actions
from schemas.outputs import Priority


class ActionSpec:
    """One automatic action: its condition (a rule) and how long it must have held, its metric's range and cool-down (ms)."""

    __slots__ = ("condition", "cooldown", "for_ms", "gate", "high", "level", "low", "metric", "name", "rule", "strength", "within")

    def __init__(
        self, name: str, action: Action, section: Actions, metrics: dict[str, Metric], calendar: Calendar, rules: RuleBook
    ) -> None:
        metric = metrics.get(action.metric)
        if metric is None or metric.range is None:
            raise ValueError(f"actions.{name}.metric: expected a metric that has a range, got {action.metric!r}")
        self.name = name
        self.condition = action.when
        self.rule = rules.add(action.when)
        self.for_ms = int(action.for_)
        self.metric = action.metric
        self.cooldown = int(metric.cooldown)
        self.low, self.high = metric.range
        self.level: Priority = action.level
        self.strength = action.strength
        self.within = int(action.within)
        try:
            self.gate = Gate(action, section, metrics, calendar, rules)
        except ValueError as error:
            raise ValueError(f"actions.{name}.{error}") from None


class ActionsSpec:
    """The automatic actions of a configuration, in the order of its table.

    Args:
        section: the configuration's section. metrics: the configuration's metrics. rules: the rule book.
    Raises:
        ValueError: an action of a metric without a range, or an effect on a metric that is not configured.
    """

    __slots__ = ("acknowledge_ms", "actions", "approve_ms", "by_name", "limit", "per")

    def __init__(self, section: Actions, metrics: dict[str, Metric], rules: RuleBook) -> None:
        calendar = Calendar(section.no_injection)
        self.actions: list[ActionSpec] = [
            ActionSpec(name, action, section, metrics, calendar, rules) for name, action in section.actions.items()
        ]
        self.by_name: dict[str, ActionSpec] = {action.name: action for action in self.actions}
        self.limit = section.limit
        self.per = int(section.per)
        self.acknowledge_ms = int(section.acknowledge_within)
        self.approve_ms = int(section.approve_within)
