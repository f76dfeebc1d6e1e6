"""A desk at which alerts come in: short timelines of statuses and commands in, short lines of what people see out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from processors.alerts import Alerts, AlertsSpec
from processors.budget import Budgets, BudgetSpec
from processors.emission import Output
from processors.instant import Instant
from schemas import living
from schemas.commands import AcknowledgeAlert, ResolveAlert
from schemas.events import AlertEvent, BudgetState, EscalationEvent
from schemas.outputs import Evidence, PreviousStatus, SloStatus
from tests.processors.living import METRICS, instant_at, new_emission, section

SECTION = section("escalation.yml", living.Alerts)
BUDGET = section("budget.yml", living.Budget)
ACTIONS = {"chaos": ["stimulate_creative_chaos", "stabilize_system"]}
VOICES = {"chaos": ["kayn", "pino", "sam", "hundun"]}

MONDAY = int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp())
"""Noon of a Monday, s."""
SUNDAY = int(datetime(2026, 11, 22, 2, tzinfo=UTC).timestamp())
"""Two o'clock on a Sunday: the silence of two hours begins."""

BOUNDS = {"WARN P2": 0.6, "BLOCK P1": 0.7, "BLOCK P0": 0.8}


def spec_of(alerts: living.Alerts = SECTION, metrics: list[str] | None = None) -> AlertsSpec:
    """The configuration that comes with Iskra, or a part of it replaced."""
    return AlertsSpec(alerts, METRICS if metrics is None else metrics, ACTIONS, VOICES, BUDGET.burn)


def replaced(**changes: Any) -> living.Alerts:
    """The section with fields replaced, as the file would write them."""
    return section("escalation.yml", living.Alerts, **changes)


def status(emission_offset: int, now: int, metric: str, text: str, previous: SloStatus | None) -> SloStatus:
    """A status: `OK`, `WARN P2`, `BLOCK P1 low`, `UNKNOWN missing`; values a little past the bound."""
    level, _, rest = text.partition(" ")
    unknown = level == "UNKNOWN"
    priority, _, side = rest.partition(" ")
    bound = None if unknown or level == "OK" else BOUNDS[f"{level} {priority}"]
    made: dict[str, Any] = {
        "tenant": "default",
        "subject": "alpha",
        "metric": metric,
        "level": level,
        "priority": None if unknown else priority or None,
        "reason": rest if unknown else None,
        "previous": None if previous is None else PreviousStatus(previous.level, previous.priority, previous.since),
        "value": 0.45 if bound is None else bound + 0.01,
        "fast_value": None,
        "statistic": "mean",
        "window_ms": 30_000,
        "bound": bound,
        "side": None if bound is None else side or "high",
        "since": now,
        "evidence": Evidence(30, 0, "iskra.metrics.points", 0, emission_offset - 29, emission_offset, []),
        "config": "c0ffee",
    }
    return SloStatus(**made)


def budget_state(alert: str | None, previous: str | None, emission_offset: int) -> BudgetState:
    """What `Budgets` says, by the real thing: 519 bad seconds make a page, 1,296 that are not too dense a ticket."""
    burn = [pair for pair in BUDGET.burn if pair.alert == alert][:1]
    budgets = Budgets(BudgetSpec(msgspec.structs.replace(BUDGET, burn=burn or BUDGET.burn[:1]), ["chaos"]))
    emission = new_emission()
    emission.begin(0, emission_offset)
    said: list[tuple[str, BudgetState]] = []
    for second in range(1, 1297):
        said += budgets.step(instant_at(emission, second * 1000, 0), [True])
    state = said[0][1]
    if alert is None:
        return msgspec.structs.replace(state, alert=None, threshold=None, previous=previous)
    return msgspec.structs.replace(state, previous=previous)


class Desk:
    """Alerts of `default/alpha`, second by second; times are seconds since `start`, of subject time and log time alike.

    At each second the statuses are judged, then commands applied, then the tick. With `skip`, only where the machine asks
    to be called. Alerts are called A, B, C … in the order in which they open.
    """

    def __init__(self, spec: AlertsSpec | None = None, start: int = MONDAY, *, skip: bool = False) -> None:
        self.spec = spec or spec_of()
        self.alerts = Alerts(self.spec)
        self.start = start
        self.now = -1
        self.skip = skip
        self.emission = new_emission()
        self.outs: list[Output] = []
        self.ids: dict[str, str] = {}
        self.levels: dict[str, SloStatus] = {}
        self.history: dict[str, list[SloStatus]] = {}
        self.budgets: dict[str, str | None] = {}
        self._seen = 0

    def instant(self, place: int) -> Instant:
        """The instant of the second; `place` tells its records apart."""
        self.emission.begin(0, (self.start + self.now) * 100 + place)
        return instant_at(self.emission, (self.start + self.now) * 1000, (self.start + self.now) * 1000)

    def take(self) -> None:
        for out in self.emission.outputs:
            self.outs.append(out)
            if isinstance(out.value, AlertEvent):
                self.ids.setdefault(out.value.alert_id, chr(ord("A") + len(self.ids) % 26))

    def until(self, second: int) -> Desk:
        """Nothing changes before this second; itself it is not judged yet."""
        while self.now < second - 1:
            if self.skip:
                due = min(self.alerts.due, self.alerts.log_due)
                self.now = min(max(-(-due // 1000) - self.start, self.now + 1), second - 1)
            else:
                self.now += 1
            self._judge([], [])
            self._tick()
        return self

    def _judge(self, changes: list[tuple[str, SloStatus]], budgets: list[tuple[str, BudgetState]]) -> None:
        instant = self.instant(0)
        if not self.skip or changes or budgets or instant.now >= self.alerts.due:
            self.alerts.step(instant, changes, budgets)
            self.take()

    def _tick(self) -> None:
        instant = self.instant(99)
        if not self.skip or self.alerts.log_due <= instant.log_now:
            self.alerts.tick(instant)
            self.take()

    def at(self, second: int, budget: str | None = "same", ack: str = "", resolve: str = "", lenient: bool = False, **levels: str) -> Desk:
        """What happens at a second: statuses by metric, the alert of chaos' budget, and commands about alerts by letter or id.

        With `lenient`, a command about an alert that this very second has ended is left out.
        """
        self.until(second)
        self.now = second
        changes: list[tuple[str, SloStatus]] = []
        for metric in METRICS:
            if metric in levels:
                offset = (self.start + second) * 100
                made = status(offset, (self.start + second) * 1000, metric, levels[metric], self.levels.get(metric))
                self.levels[metric] = made
                self.history.setdefault(metric, []).append(made)
                changes.append((f"0-{offset}-0-{len(changes)}-status", made))
        budgets: list[tuple[str, BudgetState]] = []
        if budget != "same" and budget != self.budgets.get("chaos"):
            budgets.append((f"0-{second}-0-0-budget", budget_state(budget, self.budgets.get("chaos"), second)))
            self.budgets["chaos"] = budget
        self._judge(changes, budgets)
        ended = {event.alert_id for event in self.events() if event.state == "resolved"} if lenient else set()
        if ack and ack not in ended:
            self.send(AcknowledgeAlert(subject="alpha", who="ann", why="on it", alert_id=self.named(ack)), 1)
        if resolve and resolve not in ended:
            self.send(ResolveAlert(subject="alpha", who="bob", why="mended", alert_id=self.named(resolve)), 2)
        self._tick()
        return self

    def send(self, command: AcknowledgeAlert | ResolveAlert, place: int = 1) -> None:
        """Applies a command."""
        self.alerts.command(self.instant(place), command)
        self.take()

    def named(self, letter: str) -> str:
        """The id of the alert that is called by the letter."""
        return next((named for named, called in self.ids.items() if called == letter), letter)

    def lines(self) -> list[str]:
        """What was said since the last look: second, alert, and what people see."""
        fresh, self._seen = self.outs[self._seen :], len(self.outs)
        return [f"{out.ts // 1000 - self.start} {self.line(out)}" for out in fresh]

    def line(self, out: Output) -> str:
        """One output in words."""
        value = out.value
        if isinstance(value, AlertEvent):
            text = f"{self.ids[value.alert_id]} {value.state} {value.priority} {value.metric} {value.kind}"
            text += " flapping" if value.flapping else ""
            return text + (f": {self._lettered(value.resolution)}" if value.resolution else "")
        assert isinstance(value, EscalationEvent)
        what = (
            "is told"
            if (value.state, value.kind) == ("due", "trigger")
            else "is told the end"
            if value.kind == "resolve"
            else "is not told"
        )
        return f"{self.ids[value.alert_id]} {value.role} {what} by {value.channel}"

    def _lettered(self, text: str) -> str:
        for named, letter in self.ids.items():
            text = text.replace(named, letter)
        return text

    def events(self) -> list[AlertEvent]:
        """All alert events so far."""
        return [out.value for out in self.outs if isinstance(out.value, AlertEvent)]

    def escalations(self) -> list[EscalationEvent]:
        """All escalation events so far."""
        return [out.value for out in self.outs if isinstance(out.value, EscalationEvent)]

    def restore(self) -> None:
        """Another worker takes over: the state goes through its serialised form."""
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(self.alerts.dump()))
        self.alerts = Alerts(self.spec)
        self.alerts.load(state)
