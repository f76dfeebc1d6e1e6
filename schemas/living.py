"""Models of the living part of the configuration: signals, error budget, voices, actions, alerts and their escalation.

Each section stands in a file of its own in `config/`. Rules are texts, compiled by `processors.rules`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from schemas.durations import Duration
from schemas.outputs import Priority

VoicePriority = Literal["critical", "high", "medium"]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A part of the configuration: unknown keys are refused."""


class Stagnation(_Section, frozen=True, kw_only=True):
    """High clarity and low chaos in every 10 s window of the last `window`, both with a standard deviation of at most `stddev`."""

    window: Duration
    clarity_above: float
    chaos_below: float
    stddev: float


class Rigidity(_Section, frozen=True, kw_only=True):
    """High clarity with a standard deviation of all four vitals of at most `stddev` over `window`."""

    window: Duration
    clarity_above: float
    stddev: float


class DeltaRhythm(_Section, frozen=True, kw_only=True):
    """Weights of the rhythm, of its penalty, and of smoothing (`memory` for the shown value, `beta` for the averages)."""

    trust: float
    clarity: float
    calm: float
    steadiness: float
    order: float
    chaos_rise: float
    drift_rise: float
    interruptions: float
    penalty_limit: float
    memory: float
    beta: float


class Heartbeat(_Section, frozen=True, kw_only=True):
    """Beats a minute: `rest` + `per_volatility` × volatility, cut to `least` … `greatest`."""

    rest: float
    per_volatility: float
    least: float
    greatest: float


class Signals(_Section, frozen=True, kw_only=True):
    """Parameters of the derived signals; `ttl` is how long a published value wins, `sample_every` how often all are told."""

    ttl: Duration
    stagnation: Stagnation
    rigidity: Rigidity
    volatility_lag: Duration
    trend: Duration
    readiness: Duration
    polyphony: Duration
    delta_rhythm: DeltaRhythm
    heartbeat: Heartbeat
    sample_every: Duration


class BurnWindow(_Section, frozen=True, kw_only=True):
    """An alert when the burn rate is at least `rate` over both `long` and `short`."""

    alert: Literal["page", "ticket"]
    rate: float
    long: Duration
    short: Duration


class Budget(_Section, frozen=True, kw_only=True):
    """The error budget: `objective` is the share of `window` that must be OK (0–1), per metric in `objectives`."""

    objective: float
    window: Duration
    objectives: dict[str, float] = {}
    burn: list[BurnWindow]


class Activation(_Section, frozen=True, kw_only=True):
    """A rule that makes a voice eligible, with its own cool-down."""

    when: str
    priority: VoicePriority
    cooldown: Duration


class Voice(_Section, frozen=True, kw_only=True):
    """One voice. `silent_when` must have held for `timeout` (or no activation rule for so long) before it falls silent."""

    label: str
    archetype: str
    activate: list[Activation]
    silent_when: str
    timeout: Duration
    actions: list[str]


class OpposingPair(_Section, frozen=True, kw_only=True):
    """Two voices that are never active together: `prefer` speaks if `when` holds, else `otherwise` (null: undecided)."""

    pair: tuple[str, str]
    prefer: str
    when: str
    otherwise: str | None = None


class Symbol(_Section, frozen=True, kw_only=True):
    """A ritual symbol; of those that hold the first counts. `voice` null: all."""

    when: str | None
    voice: str | None
    ritual: str


class Mode(_Section, frozen=True, kw_only=True):
    """A tonal mode: chosen when `symbol` holds or `voice` leads."""

    voice: str
    symbol: str
    tone: str


class Voices(_Section, frozen=True, kw_only=True):
    """Voices, in the order of the table. `cooldown` counts from a voice's falling silent; `synthesizer` merges the others' actions.

    `contradictions` are pairs of response actions of which a synthesis keeps the one of the leading voice.
    """

    cooldown: Duration
    synthesizer: str
    guardian: str
    voices: dict[str, Voice]
    opposing: list[OpposingPair]
    synergies: list[tuple[str, str]]
    contradictions: list[tuple[str, str]]
    symbols: dict[str, Symbol]
    modes: dict[str, Mode]


class Action(_Section, frozen=True, kw_only=True):
    """An automatic action: asked for when `when` has held for `for`.

    `effects` is the one-step model: the change of each metric per unit of strength; `duration` how long it is performed.
    `within` is the time, from its acknowledgement, in which the metric must be back in range.
    """

    metric: str
    when: str
    for_: Duration = msgspec.field(name="for")
    level: Priority
    within: Duration
    strength: int
    duration: Duration
    kind: Literal["recovery", "injection", "support"]
    effects: dict[str, float]


class Refusal(_Section, frozen=True, kw_only=True):
    """Of actions of `kinds` (null: all) the gate refuses those that meet `when`; `reason` tells why."""

    when: str
    kinds: list[str] | None = None
    except_kinds: list[str] = []
    reason: str


class MaintenanceWindow(_Section, frozen=True, kw_only=True):
    """A weekly window in UTC: `day` (monday …), from `start` to `end` (HH:MM)."""

    day: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    start: str
    end: str


class Actions(_Section, frozen=True, kw_only=True):
    """The six automatic actions and the ethics gate.

    `limit` actions per subject and `per`; an acknowledgement must come within `acknowledge_within`, a person's approval
    within `approve_within` (log time). An injection above `free_strength` needs a person's approval.
    """

    actions: dict[str, Action]
    limit: int
    per: Duration
    acknowledge_within: Duration
    approve_within: Duration
    free_strength: int
    refuse: list[Refusal]
    no_injection: list[MaintenanceWindow]


class Step(_Section, frozen=True, kw_only=True):
    """A step of a chain: `role` is told over `channel`, `after` the alert began to fire (log time)."""

    role: str
    after: Duration
    channel: str


class Chain(_Section, frozen=True, kw_only=True):
    """How alerts of one priority escalate; they fire `wait` after they opened (log time)."""

    wait: Duration
    steps: list[Step]


class Alerts(_Section, frozen=True, kw_only=True):
    """Alerts and their escalation. `people` says who has a role.

    An alert with `flapping_changes` changes within `flapping_window` is held as one until `flapping_window` without any.
    An UNKNOWN status raises an alert of `unknown_priority` after `unknown_after` (subject time). `silences` silence all
    but P0.
    """

    chains: dict[Priority, Chain]
    people: dict[str, str]
    flapping_changes: int
    flapping_window: Duration
    unknown_after: Duration
    unknown_priority: Priority
    page_priority: Priority
    ticket_priority: Priority
    silences: list[MaintenanceWindow]


class Living(_Section, frozen=True, kw_only=True):
    """Everything beyond statuses."""

    signals: Signals
    budget: Budget
    voices: Voices
    actions: Actions
    alerts: Alerts
