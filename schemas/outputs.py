"""What the engine says: windows, statuses and dead letters. Values are plain numbers, times epoch milliseconds."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
"""What decoding accepts: any number that somebody wrote would not fit the columns and clocks of who reads it."""
Level = Literal["OK", "WARN", "BLOCK", "UNKNOWN"]
Priority = Literal["P0", "P1", "P2"]
Side = Literal["low", "high"]
UnknownReason = Literal["impossible", "missing", "late", "stuck", "sparse", "engine_error"]


class WindowStats(msgspec.Struct, frozen=True, gc=False):
    """Final statistics of one tumbling window [start, start + size_ms) of one metric (topic `slo.windows`).

    `stddev` is the population's; `p50` and `p95` are null in windows shorter than 10 s; `late` counts the late points
    that arrived while subject time stood inside the window (they are in no window).
    """

    tenant: str
    subject: str
    metric: str
    start: Int64
    size_ms: Int64
    count: Int64
    mean: float
    min: float
    max: float
    last: float
    stddev: float
    p50: float | None
    p95: float | None
    late: Int64


class RungState(msgspec.Struct, frozen=True):
    """One rung of a metric's ladder as it stood before a judging.

    `entered` tells whether it was; `since` (ms of subject time) is the judging from which its running `for` (not
    entered) or `clear_for` (entered) counts, null when none runs.
    """

    side: Side
    priority: Priority
    bound: float
    entered: bool
    since: Int64 | None


class Evidence(msgspec.Struct, frozen=True):
    """What a verdict rests on: points and late points of the judged window, and where in the log to find them.

    `first_offset` is that of the oldest point of the judged window (null: the window is empty), `last_offset` that of
    the record that caused the judging. `rungs` are the metric's rungs as they stood before it.
    """

    count: Int64
    late: Int64
    topic: str
    partition: Int64
    first_offset: Int64 | None
    last_offset: Int64
    rungs: list[RungState]


class PreviousStatus(msgspec.Struct, frozen=True):
    """The status that a new one replaces."""

    level: Level
    priority: Priority | None
    since: Int64


class SloStatus(msgspec.Struct, frozen=True):
    """The level of one metric from `since` on (topics `slo.status` and `slo.current`).

    `value` is the mean of the judged window (`window_ms`), `fast_value` that of the fast one (null: not looked at).
    `priority`, `bound` and `side` are those of the highest rung entered, null when OK or UNKNOWN; `reason` is null
    unless UNKNOWN. `config` is the hash of the configuration that judged.
    """

    tenant: str
    subject: str
    metric: str
    level: Level
    priority: Priority | None
    reason: UnknownReason | None
    previous: PreviousStatus | None
    value: float | None
    fast_value: float | None
    statistic: str
    window_ms: Int64
    bound: float | None
    side: Side | None
    since: Int64
    evidence: Evidence
    config: str


class DeadLetter(msgspec.Struct, frozen=True):
    """What was refused, why, and where it stands in the log (topic `dead-letters`).

    `index` is the item's place in its array (0 for a lone point); `bytes` are the item's first 64 KiB in base64.
    """

    reason: str
    detail: str
    tenant: str | None
    subject: str | None
    metric: str | None
    topic: str
    partition: Int64
    offset: Int64
    index: Int64
    bytes: str
