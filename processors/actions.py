"""Automatic actions: asked for, reviewed by the gate, dispatched, acknowledged, and measured by their effect (semantics §8.5).

An action is a command on a topic, performed by the subject's own side. Its life, each state an event:
requested → approved / refused / awaiting_approval → dispatched → acknowledged → effective / ineffective, or expired
where nobody acknowledged or approved in time.
"""

from __future__ import annotations

from typing import Any

from mypy_extensions import mypyc_attr

from processors.action_spec import ActionSpec, ActionsSpec
from processors.ethics import GUARDIAN, Verdict
from processors.facts import Facts
from processors.instant import NEVER, Instant
from processors.open_action import OpenAction, asked
from schemas.commands import AcknowledgeAction, ApproveAction, RefuseAction
from schemas.events import Review
from schemas.points import BadPoint

__all__ = ["Actions", "ActionsSpec"]


@mypyc_attr(acyclic=True)
class _Running:
    """A condition that holds: since when, when the gate may be asked (again), and on what ground it refused last."""

    __slots__ = ("retry", "since", "told")

    def __init__(self, since: int) -> None:
        self.since = since
        self.retry = 0
        self.told = ""


@mypyc_attr(acyclic=True)
class Actions:
    """The automatic actions of one subject.

    Attributes:
        due: earliest subject time (ms) at which a step with unchanged facts could do anything. log_due: likewise of log time.
    """

    __slots__ = ("_dispatched", "_free", "_open", "_running", "due", "log_due", "spec")

    def __init__(self, spec: ActionsSpec) -> None:
        self.spec = spec
        self.due = NEVER
        self.log_due = NEVER
        self._running: dict[str, _Running] = {}
        self._free: dict[str, int] = {}  # by metric: when its cool-down is over
        self._dispatched: list[int] = []  # subject times of dispatches within `per`, no more than needed
        self._open: list[OpenAction] = []

    @property
    def open_actions(self) -> list[str]:
        """Names of the actions whose life is not over, in the order in which they were asked for."""
        return [action.name for action in self._open]

    def step(self, instant: Instant, facts: Facts) -> None:
        """What happens at one judging: effects are looked at, then conditions, in the order of the table."""
        now = instant.now
        due = NEVER
        if self._open and self._follow(instant, facts):
            due = 0
        running = self._running
        for spec in self.spec.actions:
            if facts.holds(spec.rule) is not True:
                if running:
                    running.pop(spec.name, None)
                continue
            entry = running.get(spec.name)
            if entry is None:
                entry = running[spec.name] = _Running(now)
            if self._is_open(spec.name):
                continue
            ready = max(entry.since + spec.for_ms, entry.retry, self._free.get(spec.metric, 0))
            if now >= ready:
                self._ask(spec, entry, instant, facts)
                if self._is_open(spec.name):
                    continue
                ready = max(entry.retry, self._free.get(spec.metric, 0))
            due = min(due, ready)
        self.due = due

    def tick(self, instant: Instant) -> None:
        """A tick at which somebody has been waited for long enough (log time)."""
        late = [action for action in self._open if action.until is not None and action.until <= instant.log_now]
        for action in late:
            approval = action.state == "awaiting_approval"
            action.say(instant, "expired", ts=instant.log_now)
            self._close(action)
            if approval:
                self._rest(action, instant.now)
        self._waits()

    def command(self, instant: Instant, command: ApproveAction | RefuseAction | AcknowledgeAction) -> None:
        """A person's decision, or the acknowledgement of the subject's side.

        Raises:
            BadPoint: `bad_command`: no such action is open, or it does not stand where the command fits.
        """
        action = next((action for action in self._open if action.action_id == command.action_id), None)
        if action is None:
            raise BadPoint("bad_command", f"action_id: expected an open action of this subject, got {command.action_id!r}")
        wanted = "dispatched" if isinstance(command, AcknowledgeAction) else "awaiting_approval"
        if action.state != wanted:
            raise BadPoint("bad_command", f"action_id: expected an action that is {wanted}, but {command.action_id!r} is {action.state}")
        why = command.why or None
        action.until = None
        if isinstance(command, AcknowledgeAction):
            action.acknowledged = instant.now
            action.say(instant, "acknowledged", ts=instant.log_now, by=command.who, why=why)
        elif isinstance(command, ApproveAction):
            # dispatched at the next judging, if no other ground forbids it by then
            action.review = Review(command.who, "approved", command.why or f"approved by {command.who}")
            action.say(instant, "approved", ts=instant.log_now, by=command.who, why=why)
        else:
            action.review = Review(command.who, "refused", command.why or f"refused by {command.who}")
            action.say(instant, "refused", ts=instant.log_now, by=command.who, why=why)
            self._close(action)
            self._rest(action, instant.now)
        self.due = 0
        self._waits()

    # --- life ---

    def _ask(self, spec: ActionSpec, entry: _Running, instant: Instant, facts: Facts) -> None:
        """The gate is asked; what it has refused on the same ground before is not told again."""
        now = instant.now
        verdict = spec.gate.review(facts, instant.log_now, self._lately(now), approved=False)
        if verdict.decision != "approved" and verdict.code == entry.told:
            entry.retry = self._again(spec, verdict, now)
            return
        action = asked(spec, entry.since, instant, facts)
        action.say(instant, "requested")
        action.review = Review(GUARDIAN, verdict.decision, verdict.reason)
        if verdict.decision == "approved":
            action.say(instant, "approved")
            self._open.append(action)
            self._dispatch(action, spec, entry, instant)
        elif verdict.decision == "needs_approval":
            entry.told = verdict.code
            action.until = instant.log_now + self.spec.approve_ms
            action.say(instant, "awaiting_approval")
            self._open.append(action)
        else:
            entry.told = verdict.code
            entry.retry = self._again(spec, verdict, now)
            self._free[spec.metric] = now + spec.cooldown
            action.say(instant, "refused")
        self._waits()

    def _dispatch(self, action: OpenAction, spec: ActionSpec, entry: _Running | None, instant: Instant) -> None:
        now = instant.now
        if entry is not None:
            entry.told = ""
        self._lately(now)
        self._dispatched.append(now)
        self._free[spec.metric] = now + spec.cooldown
        action.until = instant.log_now + self.spec.acknowledge_ms
        action.say(instant, "dispatched")

    def _follow(self, instant: Instant, facts: Facts) -> bool:
        """Looks after open actions; whether one of them has to be looked at again at the next judging."""
        now = instant.now
        look = False
        for action in list(self._open):
            spec = self.spec.by_name.get(action.name)
            if spec is None:
                action.until = None
                action.say(instant, "expired", why="the configuration no longer has this action")
                self._close(action)
            elif action.state == "acknowledged" and action.acknowledged is not None:
                value = facts.value(action.metric)
                if now <= action.acknowledged + action.within and value is not None and action.low <= value <= action.high:
                    action.say(instant, "effective", after=value)
                    self._close(action)
                elif now >= action.acknowledged + action.within:
                    action.say(instant, "ineffective", after=value)
                    self._close(action)
                else:
                    look = True
            elif action.state == "approved":
                self._pass_on(action, spec, instant, facts)
        self._waits()
        return look

    def _pass_on(self, action: OpenAction, spec: ActionSpec, instant: Instant, facts: Facts) -> None:
        """A person has approved: the gate looks once more, at everything but the strength."""
        entry = self._running.get(action.name)
        if facts.holds(spec.rule) is not True:
            verdict = Verdict("refused", "over", "its condition no longer holds")
        else:
            verdict = spec.gate.review(facts, instant.log_now, self._lately(instant.now), approved=True)
        if verdict.decision == "approved":
            self._dispatch(action, spec, entry, instant)
            return
        action.review = Review(GUARDIAN, "refused", verdict.reason)
        action.say(instant, "refused")
        self._close(action)
        self._rest(action, instant.now)

    # --- bookkeeping ---

    def _is_open(self, name: str) -> bool:
        return any(action.name == name for action in self._open)

    def _lately(self, now: int) -> int:
        """How many were dispatched within `per`; forgets older ones."""
        dispatched = self._dispatched
        while dispatched and dispatched[0] <= now - self.spec.per:
            dispatched.pop(0)
        return len(dispatched)

    def _again(self, spec: ActionSpec, verdict: Verdict, now: int) -> int:
        """When the gate may be asked again: after the metric's cool-down; of the limit, when it lets one more pass."""
        again = now + spec.cooldown
        if verdict.code == "limit" and 0 < self.spec.limit <= len(self._dispatched):
            again = max(again, self._dispatched[len(self._dispatched) - self.spec.limit] + self.spec.per)
        return again

    def _rest(self, action: OpenAction, now: int) -> None:
        """After a refusal of an action that had waited."""
        spec = self.spec.by_name.get(action.name)
        if spec is not None:
            self._free[action.metric] = now + spec.cooldown

    def _close(self, action: OpenAction) -> None:
        self._open = [other for other in self._open if other is not action]
        self.due = 0

    def _waits(self) -> None:
        self.log_due = min((action.until for action in self._open if action.until is not None), default=NEVER)

    # --- state ---

    def rebind(self, spec: ActionsSpec) -> None:
        """Another configuration: actions of the same name go on; open ones that it lacks end at the next step."""
        self.spec = spec
        self._running = {name: entry for name, entry in self._running.items() if name in spec.by_name}
        self.due = 0

    def dump(self) -> list[Any]:
        """The state as plain values."""
        return [
            [[name, entry.since, entry.retry, entry.told] for name, entry in self._running.items()],
            [[metric, until] for metric, until in self._free.items()],
            list(self._dispatched),
            [action.dump() for action in self._open],
            min(self.due, NEVER),
        ]

    def load(self, state: list[Any]) -> None:
        """Takes up a dumped state; the machine must be new."""
        running, free, dispatched, opened, due = state
        for name, since, retry, told in running:
            entry = _Running(since)
            entry.retry, entry.told = retry, told
            self._running[name] = entry
        self._free = dict(free)
        self._dispatched = list(dispatched)
        self._open = [OpenAction(action) for action in opened]
        self.due = due
        self._waits()
