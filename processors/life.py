"""What lives in a subject beyond its statuses: signals, budgets, voices, alerts and actions, in the order of semantics §6.

Most judgings change nothing here. At a point nothing is looked at while each vital's mean stays between two limits of
the rules and no time is due; at a whole second the signals move, and the machines only where a rule, a status or a
time asks for it. What is said is that of the full procedure.
"""

from __future__ import annotations

from typing import Any

from mypy_extensions import mypyc_attr

from processors.actions import Actions
from processors.alerts import Alerts
from processors.budget import Budgets
from processors.emission import Emission
from processors.facts import Facts
from processors.instant import NEVER, Instant
from processors.living import LifeSpec
from processors.series import Series
from processors.signals import Signals
from processors.voices import Voices
from schemas import topics
from schemas.commands import (
    AcknowledgeAction,
    AcknowledgeAlert,
    AcknowledgeVoice,
    ApproveAction,
    Command,
    MuteVoice,
    RefuseAction,
    ResolveAlert,
    UnmuteVoice,
)
from schemas.events import BudgetState, SignalsSample
from schemas.outputs import SloStatus, WindowStats


@mypyc_attr(acyclic=True)
class Life:
    """The living part of one subject.

    Attributes:
        due: earliest subject time (ms) at which a judging must be looked at though nothing has changed.
        log_due: earliest log time (ms) at which somebody has been waited for long enough.
    """

    __slots__ = (
        "_bad",
        "_changes",
        "_fresh",
        "actions",
        "alerts",
        "budgets",
        "due",
        "facts",
        "hashed",
        "key",
        "log_due",
        "signals",
        "spec",
        "subject",
        "tenant",
        "voices",
    )

    def __init__(self, spec: LifeSpec, tenant: str, subject: str, key: bytes, hashed: str) -> None:
        self.spec = spec
        self.tenant = tenant
        self.subject = subject
        self.key = key
        self.hashed = hashed
        self.facts = Facts(spec.book, spec.watching, spec.live)
        self.signals = Signals(spec.signals)
        self.budgets = Budgets(spec.budget)
        self.voices = Voices(spec.voices)
        self.alerts = Alerts(spec.alerts)
        self.actions = Actions(spec.actions)
        self.due = 0
        self.log_due = NEVER
        self._changes: list[tuple[str, SloStatus]] = []
        self._bad = 0  # mask of the metrics outside OK, as the budgets know it
        self._fresh = False  # every machine is to look at the next judging, whatever has changed

    @property
    def restless(self) -> bool:
        """Whether each whole second may change a signal, also of a subject that is silent."""
        return self.signals.restless

    # --- what comes in ---

    def changed(self, id_: str, status: SloStatus) -> None:
        """Takes a status of the judging that is under way."""
        self._changes.append((id_, status))

    def window(self, stats: WindowStats) -> None:
        """Takes a final window."""
        number = self.spec.numbers.get(stats.metric)
        if number is not None:
            self.signals.window(number, stats)

    def publish(self, place: int, value: float, ts: int) -> None:
        """Takes a published signal, by its place in the catalogue; `ts` in ms."""
        self.signals.publish(place, value, ts, self.facts)
        self.due = min(self.due, self.signals.due)  # its end is to be seen, also where the value itself changes nothing

    # --- judgings ---

    def second(self, second: int, closed: int, ladders: list[Series | None], emission: Emission) -> None:
        """The whole second `second`, after its statuses; windows are final up to the second `closed`."""
        now = second * 1000
        bad = self._take_vitals(ladders)
        self.signals.expire(now, self.facts)
        self.signals.second(second, closed, self.facts)
        sampling = second % self.spec.sample_s == 0 and self.facts.knows_vitals()
        if self.spec.every_second:
            self.signals.figures(self.facts)
        self._judge(now, True, bad, sampling, ladders, emission)

    def concerns(self, series: Series) -> bool:
        """Whether a judging of `series` at a point may change anything here, before any time is due."""
        return bool(self._changes) or not series.cut_low * series.count <= series.total <= series.cut_high * series.count

    def point(self, now: int, second: int, ladders: list[Series | None], emission: Emission) -> None:
        """A judging at a point, at the subject time `now` (ms), which stands in `second`."""
        for series in ladders:
            if series is not None and len(series.points) != series.summed:
                series.sync(second)
        self._take_vitals(ladders)
        self.signals.expire(now, self.facts)
        self._judge(now, False, self._bad, False, ladders, emission)

    def _take_vitals(self, ladders: list[Series | None]) -> int:
        """Tells the facts where the vitals stand; the mask of those outside OK."""
        facts = self.facts
        bad = 0
        for place in range(len(ladders)):
            series = ladders[place]
            if series is None or series.status is None:
                continue
            status = series.status
            if status.reason is not None:
                facts.set_vital(place, 0, 0)
            else:
                facts.set_vital(place, series.judged_count, series.judged_total)
                if status.level != "OK":
                    bad |= 1 << place
        return bad

    def _keep_between(self, ladders: list[Series | None]) -> None:
        """Tells each series how far it may move unseen."""
        facts = self.facts
        if not facts.moved:
            return
        facts.moved = False
        for place in range(len(ladders)):
            series = ladders[place]
            if series is not None:
                vital = facts.vitals[place]
                series.keep_between(vital.low, vital.high)

    def _judge(self, now: int, whole: bool, bad: int, sampling: bool, ladders: list[Series | None], emission: Emission) -> None:
        facts = self.facts
        if now >= self.due and now >= self.voices.signals_due:  # `due` is never later, and at hand
            self._tell_of_voices(now, whole)
        changed = facts.settle() or self._fresh
        flipped = facts.flipped
        self._fresh = False
        if not (changed or bad != self._bad or sampling or flipped or self._changes or now >= self.due):
            self._keep_between(ladders)
            return
        instant = Instant(self.tenant, self.subject, self.key, self.hashed, emission, now, emission.log_time, whole)
        spent: list[tuple[str, BudgetState]] = []
        if whole and (bad != self._bad or now >= self.budgets.due):
            self._bad = bad
            spent = self.budgets.step(instant, [bool(bad >> place & 1) for place in range(len(ladders))])
        if flipped or sampling:
            self._tell_signals(instant, flipped)
        if changed or now >= self.voices.due:
            self.voices.step(instant, facts)
            self._listen()
        if self._changes or spent or now >= self.alerts.due:
            self.alerts.step(instant, self._changes, spent)
            self._changes = []
        if changed or now >= self.actions.due:
            self.actions.step(instant, facts)
        self._keep_between(ladders)
        self._plan()

    def _listen(self) -> None:
        """Rules of silence matter while their voice speaks."""
        live = self.spec.live
        for name in self.voices.active:
            live |= self.spec.silencing[name]
        self.facts.set_live(live)

    def _plan(self) -> None:
        voices = self.voices
        self.due = min(self.signals.due, self.budgets.due, voices.due, voices.signals_due, self.alerts.due, self.actions.due)
        self.log_due = min(self.alerts.log_due, self.actions.log_due)

    def _tell_of_voices(self, now: int, whole: bool) -> None:
        """Signals about voices read the state after the previous judging (semantics §8.1)."""
        told = self.voices.signals(now, whole)
        signals, facts = self.signals, self.facts
        signals.set_computed("conflict", float(told.conflict), facts)
        signals.set_computed("multiple_voices_active", float(told.multiple_voices_active), facts)
        signals.set_computed("synthesis_completed", float(told.synthesis_completed), facts)
        signals.set_computed("synthesis_readiness", told.synthesis_readiness, facts)

    def _tell_signals(self, instant: Instant, flipped: int) -> None:
        self.facts.flipped = 0
        self.signals.figures(self.facts)
        names = self.spec.catalogue.names
        known = range(self.spec.catalogue.vitals, len(names))
        message = SignalsSample(
            tenant=self.tenant,
            subject=self.subject,
            changed=[names[place] for place in known if flipped >> place & 1],
            values={names[place]: value for place in known if (value := self.facts.at(place)) is not None},
            cause=instant.cause(),
            config=instant.config,
        )
        instant.say(topics.SIGNALS, message)

    def end(self, now: int, log_now: int, emission: Emission, reason: str) -> None:
        """Closes what is open: the subject is forgotten, or left alone."""
        instant = Instant(self.tenant, self.subject, self.key, self.hashed, emission, now, log_now, False)
        self.voices.close(instant, reason)
        self.alerts.close(instant, reason)

    # --- log time ---

    def tick(self, now: int, log_now: int, emission: Emission) -> None:
        """Somebody has been waited for long enough: a tick of log time `log_now` (ms); `now` is subject time."""
        instant = Instant(self.tenant, self.subject, self.key, self.hashed, emission, now, log_now, False)
        if self.alerts.log_due <= log_now:
            self.alerts.tick(instant)
        if self.actions.log_due <= log_now:
            self.actions.tick(instant)
        self._plan()

    def command(self, command: Command, now: int, log_now: int, emission: Emission) -> None:
        """Applies a command.

        Raises:
            BadPoint: `bad_command`: it makes no sense now.
        """
        instant = Instant(self.tenant, self.subject, self.key, self.hashed, emission, now, log_now, False)
        if isinstance(command, (AcknowledgeAlert, ResolveAlert)):
            self.alerts.command(instant, command)
        elif isinstance(command, (ApproveAction, RefuseAction, AcknowledgeAction)):
            self.actions.command(instant, command)
        elif isinstance(command, (AcknowledgeVoice, MuteVoice, UnmuteVoice)):
            self.voices.command(instant, command)
            self._listen()
        self._plan()
        if self.facts.moved:
            self.due = 0  # the series are told at the next judging how far they may move now

    # --- state ---

    def rebind(self, spec: LifeSpec, ladders: list[Series | None]) -> None:
        """Goes on under another configuration; everything is looked at at the next judging."""
        signals = self.signals.dump(self.facts)
        self.spec = spec
        self.facts = Facts(spec.book, spec.watching, spec.live)
        self.signals = Signals(spec.signals)
        self.signals.load(signals, self.facts)
        self.budgets.rebind(spec.budget)
        self.voices.rebind(spec.voices)
        self.alerts.rebind(spec.alerts)
        self.actions.rebind(spec.actions)
        self._take_vitals(ladders)
        self._listen()
        self.facts.settle()
        self._keep_between(ladders)
        self.facts.flipped = 0
        self._plan()
        self._fresh = True
        self.due = 0

    def dump(self) -> list[Any]:
        """The state as plain lists."""
        return [
            self.signals.dump(self.facts),
            self.budgets.dump(),
            self.voices.dump(),
            self.alerts.dump(),
            self.actions.dump(),
            self._bad,
            self._fresh,
        ]

    def load(self, state: list[Any], ladders: list[Series | None]) -> None:
        """Takes up a dumped state; the series must have theirs."""
        signals, budgets, voices, alerts, actions, self._bad, self._fresh = state
        self.signals.load(signals, self.facts)
        self.budgets.load(budgets)
        self.voices.load(voices)
        self.alerts.load(alerts)
        self.actions.load(actions)
        self._take_vitals(ladders)
        self._listen()
        self.facts.settle()
        self._keep_between(ladders)
        self.facts.flipped = 0
        self._plan()
