"""The ethics gate: Iskriv passes or refuses every automatic action, with a reason on record.

What an action would do is told by the one-step model of effects: each unit of strength moves a metric by a constant. The
simulator of subjects (`experiments.model`) moves by the same numbers, so that what was approved is what happens there.
"""

from __future__ import annotations

from typing import Final

from processors.calendar import Calendar
from processors.facts import Facts
from processors.rules import RuleBook
from schemas.config import Metric
from schemas.events import Decision
from schemas.living import Action, Actions

GUARDIAN: Final = "iskriv"

_HOUR_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000


def change(effect: float, strength: int) -> float:
    """By how much an action of `strength` moves a metric; `effect` is the change by one unit."""
    return effect * strength


def expected(value: float, effect: float, strength: int, least: float, greatest: float) -> float:
    """Where the metric will stand: its value moved, within the values that it can have."""
    return min(max(value + change(effect, strength), least), greatest)


class Moved:
    """What the gate knows of a metric that an action moves: its effect by unit, critical bounds (None: none) and values."""

    __slots__ = ("effect", "greatest", "high", "least", "low", "metric")

    def __init__(self, name: str, effect: float, metric: Metric) -> None:
        self.metric = name
        self.effect = effect
        self.low = metric.low.P0
        self.high = metric.high.P0
        self.least, self.greatest = metric.values


class Forbidden:
    """A refusal rule that concerns an action."""

    __slots__ = ("reason", "rule")

    def __init__(self, rule: int, reason: str) -> None:
        self.rule = rule
        self.reason = reason


class Verdict:
    """What the gate answers. `code` is the same for the same ground, whatever the numbers in `reason`."""

    __slots__ = ("code", "decision", "reason")

    def __init__(self, decision: Decision, code: str, reason: str) -> None:
        self.decision: Decision = decision
        self.code = code
        self.reason = reason


class Gate:
    """The gate for one action of a configuration.

    Args:
        action: the action. actions: its section. metrics: of the whole configuration. rules: the rule book.
    Raises:
        ValueError: an effect on a metric that the configuration does not have.
    """

    __slots__ = ("approval", "calendar", "forbidden", "injection", "limit", "moved", "per", "strength")

    def __init__(self, action: Action, actions: Actions, metrics: dict[str, Metric], calendar: Calendar, rules: RuleBook) -> None:
        self.strength = action.strength
        self.injection = action.kind == "injection"
        self.approval = self.injection and action.strength > actions.free_strength
        self.calendar = calendar
        self.limit = actions.limit
        self.per = int(actions.per)
        self.moved: list[Moved] = []
        for name, effect in action.effects.items():
            if name not in metrics:
                raise ValueError(f"effects.{name}: expected a metric with bounds")
            self.moved.append(Moved(name, effect, metrics[name]))
        self.forbidden: list[Forbidden] = [
            Forbidden(rules.add(refusal.when), refusal.reason)
            for refusal in actions.refuse
            if (refusal.kinds is None or action.kind in refusal.kinds) and action.kind not in refusal.except_kinds
        ]

    def review(self, facts: Facts, log_now: int, lately: int, approved: bool) -> Verdict:
        """Whether the action may be dispatched now; the first ground that forbids it is told.

        Args:
            facts: of the subject. log_now: log time, ms, for windows of maintenance.
            lately: actions dispatched to the subject within `per`.
            approved: a person has approved it, so its strength is no ground any more.
        """
        for rule in self.forbidden:
            if facts.holds(rule.rule) is True:
                return Verdict("refused", f"rule {rule.reason}", rule.reason)
        if self.injection and self.calendar.holds(log_now):
            return Verdict("refused", "maintenance", "no injection in a maintenance window")
        told = ""
        for moved in self.moved:
            value = facts.value(moved.metric)
            if value is None:
                if self.injection:
                    return Verdict("refused", f"unknown {moved.metric}", f"{moved.metric} is unknown: nothing is injected unseen")
                continue
            after = expected(value, moved.effect, self.strength, moved.least, moved.greatest)
            bound = _passed(moved, value, after)
            if bound is not None:
                reason = f"{moved.metric} would go from {value:.3f} to {after:.3f}, past its critical bound {bound:g}"
                return Verdict("refused", f"bound {moved.metric}", reason)
            told += f"{', ' if told else ''}{moved.metric} {value:.3f} → {after:.3f}"
        if lately >= self.limit:
            return Verdict("refused", "limit", f"{lately} actions within {_span(self.per)}: the limit is {self.limit}")
        if self.approval and not approved:
            return Verdict("needs_approval", "approval", f"an injection of strength {self.strength} needs a person's approval")
        expectation = f"expected {told}, inside the critical bounds" if told else "what it moves is unknown, and no ground forbids it"
        return Verdict("approved", "", f"{expectation}; action {lately + 1} of {self.limit} within {_span(self.per)}")


def _passed(moved: Moved, before: float, after: float) -> float | None:
    """The critical bound beyond which the metric would be pushed (further than it is); None: it would not."""
    if moved.high is not None and after > moved.high and after > before:
        return moved.high
    if moved.low is not None and after < moved.low and after < before:
        return moved.low
    return None


def _span(ms: int) -> str:
    for unit, name in ((_HOUR_MS, "h"), (_MINUTE_MS, "min"), (1000, "s")):
        if ms % unit == 0:
            return f"{ms // unit} {name}"
    return f"{ms} ms"
