"""The subject's own side, simulated: takes actions up, follows voices, and tells so by commands.

It hears outputs at any time up to the reaction's second and acts directly after that second's tick, so that a run's log is the same
whenever, within those seconds, its outputs were read (semantics §1, domain.md "The dry run").
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from experiments.model import SimulatedSubject
from experiments.scenario import Actor, Reaction
from schemas.commands import AcknowledgeAction, AcknowledgeVoice, ApproveAction, Command
from schemas.events import ActionEvent, VoiceEvent

NAME = "simulator"


class SimulatedActor:
    """Follows one subject's outputs; a scenario lets no reaction come sooner than 10 s (the driver's hold) after what it answers."""

    def __init__(self, actor: Actor, subject: SimulatedSubject) -> None:
        self._actor = actor
        self._subject = subject
        # by second, then by what is answered: the same order, whatever the order in which topics were read
        self._plans: list[tuple[int, int, str, Callable[[int], Command | None]]] = []

    def hear(self, value: object, ts: int) -> None:
        """Takes an output; `ts` is its time, epoch ms."""
        if isinstance(value, ActionEvent):
            if value.subject == self._subject.name and value.state in ("dispatched", "awaiting_approval"):
                self._answer(value, ts)
        elif isinstance(value, VoiceEvent) and value.subject == self._subject.name and value.event == "activated":
            for reaction in self._actor.reactions:
                if reaction.to == value.voice:
                    at = max(ts + reaction.after, self._subject.start * 1000 + reaction.not_before)
                    label = f"voice {value.voice} {self._actor.reactions.index(reaction)}"
                    self._plan(at, ts, label, lambda second, reaction=reaction: self._react(reaction, second))  # type: ignore[misc]

    def commands(self, second: int) -> list[Command]:
        """What it writes directly after the tick of `second` (epoch s), in order."""
        commands = []
        while self._plans and self._plans[0][0] <= second:
            _, _, _, act = heapq.heappop(self._plans)
            command = act(second)
            if command is not None:
                commands.append(command)
        return commands

    def _answer(self, event: ActionEvent, ts: int) -> None:
        if event.state == "dispatched" and self._actor.acknowledge_after is not None:
            self._plan(ts + self._actor.acknowledge_after, ts, f"action {event.action_id}", lambda second: self._take_up(event, second))
        elif event.state == "awaiting_approval" and self._actor.approve_after is not None:
            self._plan(ts + self._actor.approve_after, ts, f"action {event.action_id}", lambda second: self._approve(event, second))

    def _plan(self, at: int, heard: int, label: str, act: Callable[[int], Command | None]) -> None:
        heapq.heappush(self._plans, (-(-at // 1000), heard, label, act))

    def _take_up(self, event: ActionEvent, second: int) -> Command:
        self._subject.perform(event.action, event.strength, second)
        return AcknowledgeAction(
            tenant=event.tenant, subject=event.subject, who=NAME, why="taken up", ts=second * 1000, action_id=event.action_id
        )

    def _approve(self, event: ActionEvent, second: int) -> Command:
        return ApproveAction(
            tenant=event.tenant, subject=event.subject, who=NAME, why="within the experiment", ts=second * 1000, action_id=event.action_id
        )

    def _react(self, reaction: Reaction, second: int) -> Command | None:
        subject = self._subject
        for thing in reaction.end:
            subject.end(thing, second)
        for thing in reaction.begin:
            subject.begin(thing, second)
        if not reaction.acknowledge:
            return None
        return AcknowledgeVoice(
            tenant=subject.tenant, subject=subject.name, who=NAME, why="response actions done", ts=second * 1000, voice=reaction.to
        )
