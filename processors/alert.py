"""One open alert: what caused it, who has it, and how far its chain has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from mypy_extensions import mypyc_attr

from processors.numbers import PRIORITIES
from schemas.events import AlertEvidence, AlertKind, AlertState, BudgetState
from schemas.outputs import Level, Side, SloStatus

NO_ALERT: Final = 3
"""In place of a priority (0 for P0 … 2 for P2): nothing is wrong."""

Told = tuple[int, str, str, str]
"""A step that has become due: its number, role, who, channel."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@mypyc_attr(acyclic=True)
class Occasion:
    """The status or budget behind an alert or behind its end.

    Attributes:
        since: subject time, ms. detail: the reason of an UNKNOWN status, the long window of a burn rate (`1h`), else None.
        fast: the fast mean where it alone is beyond the threshold (a crisis that has just begun), else None.
        The others are those of `AlertEvent` and `AlertEvidence`.
    """

    __slots__ = (
        "bad",
        "burn",
        "count",
        "detail",
        "fast",
        "first_offset",
        "id",
        "last_offset",
        "late",
        "level",
        "partition",
        "side",
        "since",
        "statistic",
        "threshold",
        "value",
        "window_ms",
    )

    def __init__(self, named: str, level: Level, since: int, partition: int, last_offset: int) -> None:
        self.id = named
        self.level: Level = level
        self.since = since
        self.partition = partition
        self.last_offset = last_offset
        self.first_offset: int | None = None
        self.count: int | None = None
        self.late: int | None = None
        self.threshold: float | None = None
        self.side: Side | None = None
        self.value: float | None = None
        self.fast: float | None = None
        self.statistic: str | None = None
        self.window_ms: int | None = None
        self.detail: str | None = None
        self.burn: dict[str, float] | None = None
        self.bad: dict[str, int] | None = None

    def evidence(self, topic: str) -> AlertEvidence:
        """As an event tells it."""
        return AlertEvidence(
            id=self.id,
            count=self.count,
            late=self.late,
            topic=topic,
            partition=self.partition,
            first_offset=self.first_offset,
            last_offset=self.last_offset,
            burn=self.burn,
            bad=self.bad,
        )

    def dump(self) -> list[Any]:
        """State as plain values."""
        return [
            self.id,
            self.level,
            self.since,
            self.partition,
            self.last_offset,
            self.first_offset,
            self.count,
            self.late,
            self.threshold,
            self.side,
            self.value,
            self.fast,
            self.statistic,
            self.window_ms,
            self.detail,
            self.burn,
            self.bad,
        ]


def load_occasion(state: list[Any]) -> Occasion:
    """The other way of `Occasion.dump`."""
    occasion = Occasion(state[0], state[1], state[2], state[3], state[4])
    occasion.first_offset, occasion.count, occasion.late = state[5], state[6], state[7]
    occasion.threshold, occasion.side, occasion.value, occasion.fast = state[8], state[9], state[10], state[11]
    occasion.statistic, occasion.window_ms, occasion.detail = state[12], state[13], state[14]
    occasion.burn, occasion.bad = state[15], state[16]
    return occasion


def occasion_of_status(named: str, status: SloStatus) -> Occasion:
    """What a status (its id and message) gives rise to."""
    evidence = status.evidence
    occasion = Occasion(named, status.level, status.since, evidence.partition, evidence.last_offset)
    occasion.first_offset, occasion.count, occasion.late = evidence.first_offset, evidence.count, evidence.late
    occasion.threshold, occasion.side, occasion.value = status.bound, status.side, status.value
    occasion.statistic, occasion.window_ms, occasion.detail = status.statistic, status.window_ms, status.reason
    bound, value, fast = status.bound, status.value, status.fast_value
    if bound is not None and value is not None and fast is not None:
        high = status.side == "high"
        if (fast > bound) if high else (fast < bound):
            occasion.fast = fast if ((value <= bound) if high else (value >= bound)) else None
    return occasion


def occasion_of_budget(named: str, state: BudgetState, since: int, window: str | None, window_ms: int | None) -> Occasion:
    """What a budget's state (its id and message) gives rise to; `window` is the long one of the pair that was reached."""
    level: Level = "OK" if state.alert is None else "BLOCK" if state.alert == "page" else "WARN"
    occasion = Occasion(named, level, since, state.cause.partition, state.cause.offset)
    occasion.threshold, occasion.detail, occasion.window_ms = state.threshold, window, window_ms
    occasion.statistic = "burn"
    occasion.value = state.burn[window] if window is not None else None
    occasion.burn, occasion.bad = state.burn, state.bad
    return occasion


@mypyc_attr(acyclic=True)
class Alert:
    """An open alert.

    Attributes:
        first: log time of its first event, ms. starts: log time at which its chain starts, or is to start, ms.
        owner: who acknowledged it. step: number of steps that have become due. told: those steps.
    """

    __slots__ = ("first", "flapping", "id", "kind", "metric", "occasion", "owner", "priority", "starts", "state", "step", "told")

    def __init__(self, named: str, metric: str, kind: AlertKind, priority: int, occasion: Occasion, first: int, starts: int) -> None:
        self.id = named
        self.metric = metric
        self.kind: AlertKind = kind
        self.priority = priority
        self.occasion = occasion
        self.first = first
        self.starts = starts
        self.state: AlertState = "pending"
        self.flapping = False
        self.owner: str | None = None
        self.step = 0
        self.told: list[Told] = []

    def summary(self, key: str) -> str:
        """One plain line for people; `key` is `tenant/subject`."""
        occasion = self.occasion
        priority = PRIORITIES[self.priority]
        if self.kind == "budget":
            rates = f"{_plain(occasion.value)} times as fast as allowed over {occasion.detail}, limit {_plain(occasion.threshold)}"
            text = f"{priority} {occasion.level} {key} {self.metric} spends its error budget {rates}"
        elif self.kind == "unknown":
            text = f"{priority} {occasion.level} {key} {self.metric} is not known ({occasion.detail})"
        else:
            value = occasion.value if occasion.fast is None else occasion.fast
            where = "above" if occasion.side == "high" else "below"
            text = f"{priority} {occasion.level} {key} {self.metric} {_plain(value)} {where} {_plain(occasion.threshold)}"
            if occasion.fast is not None:
                text += f" in the last seconds ({occasion.statistic} of the window {_plain(occasion.value)})"
        since = _EPOCH + timedelta(milliseconds=occasion.since)
        return f"{text}, since {since:%Y-%m-%d %H:%M:%S} UTC{', flapping' if self.flapping else ''}"

    def dump(self) -> list[Any]:
        """State as plain values."""
        return [
            self.id,
            self.metric,
            self.kind,
            self.priority,
            self.occasion.dump(),
            self.first,
            self.starts,
            self.state,
            self.flapping,
            self.owner,
            self.step,
            [list(told) for told in self.told],
        ]


def load_alert(state: list[Any]) -> Alert:
    """The other way of `Alert.dump`."""
    alert = Alert(state[0], state[1], state[2], state[3], load_occasion(state[4]), state[5], state[6])
    alert.state, alert.flapping, alert.owner, alert.step = state[7], state[8], state[9], state[10]
    alert.told = [(number, role, who, channel) for number, role, who, channel in state[11]]
    return alert


def _plain(number: float | None) -> str:
    """A number as people read it: six digits at most."""
    return "nothing" if number is None else f"{number:.6g}"
