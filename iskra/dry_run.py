"""The demonstration's dry run: "Stagnation → Creative" in closed loop beside a dozen healthy subjects, told as it is read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

import msgspec
from rich.text import Text

from experiments import scenario as scenarios
from experiments.expectations import Outcome, judge
from experiments.journal import Journal
from experiments.simulator import Population
from iskra import config_files, experiment
from iskra.client import Message
from iskra.demo import SUBJECTS
from iskra.driver import Progress
from iskra.show import last_tick
from schemas.events import ActionEvent, AlertEvent, BudgetState, VoiceEvent
from schemas.outputs import SloStatus
from schemas.topics import ALERTS, BUDGET, STATUS

SCENARIO = "stagnation-creative"
_LISTEN = (*experiment.LOOP, STATUS, BUDGET, ALERTS)
_COLOURS = {"OK": "green", "WARN": "yellow", "BLOCK": "red", "UNKNOWN": "bright_black"}


class Told(msgspec.Struct, frozen=True):
    """How one run went: its subject, seed and T0 (epoch s), whether everything announced happened, and each part of it."""

    subject: str
    seed: int
    start: int
    passed: bool
    outcomes: list[Outcome]


class Line(Protocol):
    """Tells one line; `at` is virtual time, epoch ms."""

    def __call__(self, text: str | Text, at: int | None = None) -> None:
        """Tells it."""


class DryRun:
    """Runs of the scenario in a namespace that nobody else writes to, each with a subject and a seed of its own.

    Args:
        kafka, namespace: where. progress: of the namespace's worker. line: hears everything. speed: virtual seconds a second.
        stop: ends the show at the next barrier. others: names of the healthy subjects beside.
    """

    def __init__(
        self,
        kafka: str,
        namespace: str,
        progress: Progress,
        line: Line,
        *,
        speed: float,
        stop: threading.Event,
        name: str = SCENARIO,
        others: tuple[str, ...] = SUBJECTS[1:],
    ) -> None:
        self._kafka = kafka
        self._namespace = namespace
        self._progress = progress
        self._line = line
        self._speed = speed
        self._stop = stop
        self._scenario = scenarios.load(name)
        self._config = config_files.load()
        self._others = Population(others, per_second=1)
        self._phase = 0
        self._start = 0

    def run(self, enough: Callable[[], bool]) -> list[Told]:
        """Plays until `enough()` says so at the end of a run, or until it is stopped.

        Returns:
            The runs that were played to their end.
        Raises:
            BehindError, ClientError: worker or broker did not follow.
        """
        told: list[Told] = []
        while not self._stop.is_set():
            try:
                told.append(self._play(seed=len(told) + 1))
            except experiment.Stopped:
                break
            if enough():
                break
        return told

    def _play(self, seed: int) -> Told:
        scenario = self._scenario
        length_s = scenario.length / 1000
        # faster than the clock, it ends at the present; never behind an earlier run
        begin = max(int(time.time() - length_s * max(0.0, 1 - 1 / self._speed)), last_tick(self._kafka, self._namespace) + 1, 1)
        self._start = experiment.outside_windows(self._config, begin + -begin % 60, scenario.length)
        self._phase = 0
        # of its own each time: budgets, limits and cool-downs of an earlier run are not this one's
        subject = f"{SUBJECTS[0]}-{self._start}"
        self._line(Text(f"announced: {scenario.title}, subject {subject}: {len(scenario.expect)} things are expected", "bold"))
        journal: Journal = experiment.run(
            self._kafka,
            self._namespace,
            self._progress,
            scenario,
            scenarios.load_model(),
            self._config,
            scenarios.load_states(),
            seed=seed,
            start=self._start,
            name=subject,
            speed=self._speed,
            others=self._others.second,
            listen=_LISTEN,
            heard=lambda message: self._heard(message, subject),
            passed=self._passed,
            stop=self._stop,
        )
        outcomes = judge(scenario, journal)
        passed = all(outcome.met for outcome in outcomes)
        met = sum(outcome.met for outcome in outcomes)
        self._line(
            Text(
                f"{'it happened' if passed else 'not all of it happened'}: {met} of {len(outcomes)}", "bold green" if passed else "bold red"
            )
        )
        for outcome in outcomes:
            if not outcome.met:
                self._line(Text(f"  not met: {outcome.name}: expected {outcome.expected}, found {outcome.found}", "red"))
        return Told(subject, seed, self._start, passed, outcomes)

    def _passed(self, second: int) -> None:
        phases = self._scenario.phases
        while self._phase < len(phases) and phases[self._phase].start <= second * 1000:
            phase = phases[self._phase]
            self._phase += 1
            self._line(Text(f"phase {self._phase}: {phase.name}", "bold"), at=self._start * 1000 + phase.start)

    def _heard(self, message: Message, subject: str) -> None:
        value = message.value
        if getattr(value, "subject", None) != subject or message.ts > self._start * 1000 + self._scenario.length:
            return
        if isinstance(value, SloStatus):
            mean = "" if value.value is None else f", mean {value.value:.3f}"
            priority = f" {value.priority}" if value.priority else ""
            self._line(Text.assemble((f"{value.level}{priority}", _COLOURS[value.level]), f"  {value.metric}{mean}"), at=message.ts)
        elif isinstance(value, VoiceEvent) and value.event not in ("symbol", "mode"):
            self._line(
                Text.assemble((f"voice {value.voice}", "cyan"), f" {value.event}: {value.reason or value.rule or ''}"), at=message.ts
            )
        elif isinstance(value, ActionEvent):
            why = f": {value.review.reason}" if value.review is not None and value.state in ("approved", "refused") else ""
            self._line(Text.assemble((f"action {value.action}", "magenta"), f" {value.state}{why}"), at=message.ts)
        elif isinstance(value, AlertEvent) and value.state == "firing":
            self._line(Text.assemble((f"alert {value.priority}", "red"), f" of {value.metric} ({value.kind}) fires"), at=message.ts)
        elif isinstance(value, BudgetState) and value.alert is not None:
            self._line(
                Text.assemble(("budget", "yellow"), f" of {value.metric}: {value.alert}, {value.bad_ms / 1000:g} s outside OK"),
                at=message.ts,
            )
