"""Escalation: who is told about an alert, when, and that it is over. All on log time: what people wait for.

A step becomes due once. An acknowledgement or an end cancels what is left of the chain, and an end is told to all who
were told of the beginning. P1 and P2 tell nobody within a silence; a step that falls into one waits for its end.
"""

from __future__ import annotations

from processors.alert import Alert, Told
from processors.calendar import Calendar
from processors.instant import NEVER, Instant
from processors.numbers import PRIORITIES
from schemas import topics
from schemas.events import EscalationEvent, EscalationState
from schemas.living import Alerts


class StepSpec:
    """A step of a chain: `role` (`who`) is told over `channel`, `after` ms from the start of the chain."""

    __slots__ = ("after", "channel", "role", "who")

    def __init__(self, role: str, who: str, channel: str, after: int) -> None:
        self.role = role
        self.who = who
        self.channel = channel
        self.after = after


class Escalation:
    """The chains of a configuration, by priority, and the silences.

    Raises:
        ValueError: a role that nobody has, steps out of order, or a time of a silence that is none.
    """

    __slots__ = ("_chains", "_silences", "_waits")

    def __init__(self, alerts: Alerts) -> None:
        self._waits: list[int] = []
        self._chains: list[list[StepSpec]] = []
        self._silences = Calendar(alerts.silences)
        for priority in PRIORITIES:
            chain = alerts.chains.get(priority)
            steps: list[StepSpec] = []
            for step in chain.steps if chain is not None else []:
                if step.role not in alerts.people:
                    raise ValueError(f"people: expected who is {step.role}, whom the chain of {priority} tells")
                if steps and step.after < steps[-1].after:
                    raise ValueError(f"chains.{priority}: expected steps in the order of their times; {step.role} comes too late")
                steps.append(StepSpec(step.role, alerts.people[step.role], step.channel, int(step.after)))
            self._chains.append(steps)
            self._waits.append(int(chain.wait) if chain is not None else 0)

    def wait(self, priority: int) -> int:
        """How long, in ms, an alert is pending before it fires."""
        return self._waits[priority]

    def free_from(self, priority: int, log_ms: int) -> int:
        """The first time at or after `log_ms` at which people may be told; P0 is never silenced."""
        return self._silences.free_from(log_ms) if priority else log_ms

    def next_due(self, alert: Alert, log_now: int) -> int:
        """Log time (ms) of the next step of a firing alert; NEVER: there is none."""
        steps = self._chains[alert.priority]
        if alert.step >= len(steps):
            return NEVER
        wanted = alert.starts + steps[alert.step].after
        if wanted > log_now:
            return self.free_from(alert.priority, wanted)
        # overdue: since when it was, whatever looks at it before the next tick
        free = self.free_from(alert.priority, log_now)
        return wanted if free == log_now else free

    def advance(self, instant: Instant, alert: Alert) -> None:
        """Says the steps of a firing alert that are due by now."""
        steps = self._chains[alert.priority]
        while self.next_due(alert, instant.log_now) <= instant.log_now:
            step = steps[alert.step]
            told: Told = (alert.step, step.role, step.who, step.channel)
            alert.step += 1
            alert.told.append(told)
            due = self.free_from(alert.priority, alert.starts + step.after)
            _say(instant, alert, told, "due", "trigger", None, due)

    def cancel(self, instant: Instant, alert: Alert, reason: str) -> None:
        """Ends the chain of a firing alert: says each step that is left, at least the last one (somebody may still be trying it)."""
        steps = self._chains[alert.priority]
        for number in range(alert.step, len(steps)):
            step = steps[number]
            due = alert.starts + step.after
            _say(instant, alert, (number, step.role, step.who, step.channel), "cancelled", "trigger", reason, due)
        if alert.step >= len(steps) and alert.told:
            _say(instant, alert, alert.told[-1], "cancelled", "trigger", reason, instant.log_now)

    def tell_end(self, instant: Instant, alert: Alert, reason: str) -> None:
        """Tells all who were told that the alert is over."""
        for told in alert.told:
            _say(instant, alert, told, "due", "resolve", reason, instant.log_now)


def _say(instant: Instant, alert: Alert, told: Told, state: EscalationState, kind: str, reason: str | None, due: int) -> None:
    number, role, who, channel = told
    occasion = alert.occasion
    summary = alert.summary(f"{instant.tenant}/{instant.subject}")
    event = EscalationEvent(
        alert_id=alert.id,
        tenant=instant.tenant,
        subject=instant.subject,
        metric=alert.metric,
        priority=PRIORITIES[alert.priority],
        level=occasion.level,
        kind="resolve" if kind == "resolve" else "trigger",
        step=number,
        role=role,
        who=who,
        channel=channel,
        state=state,
        reason=reason,
        due=due,
        # the receiver closes by the key what it opened by it; two steps over one channel are two things there
        dedup_key=f"{alert.id}/{number}",
        summary=f"over ({reason}): {summary}" if kind == "resolve" else summary,
        value=occasion.value if occasion.fast is None else occasion.fast,
        threshold=occasion.threshold,
        config=instant.config,
    )
    instant.say(topics.ESCALATIONS, event, instant.log_now)
