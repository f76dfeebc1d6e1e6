"""The registry of topics: names, keys, retention. One place that creates, documents and checks them.

A full name is NAMESPACE.short, e.g. `iskra.metrics.points`. In the live namespace the broker stamps records of the
points topic (LogAppendTime); other namespaces (experiments, replays, demo) carry virtual times that a driver writes.
"""

from __future__ import annotations

from typing import Final

import msgspec

LIVE_NAMESPACE: Final = "iskra"
DEFAULT_PARTITIONS: Final = 4
"""Partitions of each co-partitioned topic on one machine; fewer requests a second, so less latency (docs/performance.md)."""

DAY_MS: Final = 86_400_000
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024

POINTS: Final = "metrics.points"
WINDOWS: Final = "slo.windows"
STATUS: Final = "slo.status"
CURRENT: Final = "slo.current"
BUDGET: Final = "slo.budget"
SIGNALS: Final = "signals.events"
VOICES: Final = "voices.events"
ALERTS: Final = "alerts.events"
ACTIONS: Final = "actions.events"
ESCALATIONS: Final = "escalations.events"
DEAD_LETTERS: Final = "dead-letters"
CONFIG: Final = "config"
CHECKPOINTS: Final = "checkpoints"

HEADER_KIND: Final = "kind"
"""Header of a points record: absent = point(s); else `tick`, `command`, `config`."""
HEADER_ENCODING: Final = "encoding"
"""`msgpack` where the value is not JSON."""
HEADER_ID: Final = "id"
"""Header of every output: its deterministic id (semantics §6)."""
HEADER_ORIGIN: Final = "origin"
"""Header of a replayed record: `PARTITION-OFFSET` of the original, which ids and evidence use."""
HEADER_BY: Final = "by"
"""Header of a record that no engine wrote: who did (`notify`: the notifier's ledger on `escalations.events`)."""
HEADER_REDRIVE: Final = "redrive"
"""Header of a point published again by `dlq redrive`: the id of its dead letter."""

KIND_TICK: Final = b"tick"
KIND_CONFIG: Final = b"config"
KIND_COMMAND: Final = b"command"
KIND_UNREADABLE: Final = b"unreadable"
"""Of a record whose headers cannot be read (`schemas.headers`)."""


class TopicSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One topic of a namespace.

    Attributes:
        name: short name. key: what its records are keyed by. doc: what it holds, one sentence.
        copartitioned: has as many partitions as `metrics.points`, and partition i holds what partition i of it caused.
        compacted: keeps the latest record of each key; else records older than `retention_ms` go (-1: never).
        broker_time: LogAppendTime in the live namespace.
    """

    name: str
    key: str
    doc: str
    copartitioned: bool = True
    compacted: bool = False
    retention_ms: int = 7 * DAY_MS
    broker_time: bool = False

    def settings(self, namespace: str) -> dict[str, str]:
        """The broker's settings of this topic in `namespace`, as text, ready for topic creation or comparison."""
        live = namespace == LIVE_NAMESPACE
        settings = {
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
            "message.timestamp.type": "LogAppendTime" if self.broker_time and live else "CreateTime",
            # event times may lie far from the broker's clock
            "message.timestamp.before.max.ms": str(2**63 - 1),
            "message.timestamp.after.max.ms": str(2**63 - 1),
        }
        if self.compacted:
            settings["cleanup.policy"] = "compact"
        else:
            settings["cleanup.policy"] = "delete"
            settings["retention.ms"] = str(self.retention_ms if live else -1)
        return settings


TOPICS: tuple[TopicSpec, ...] = (
    TopicSpec(name=POINTS, key="tenant/subject", broker_time=True, doc="Every input: points, ticks, commands and configuration markers."),
    TopicSpec(name=WINDOWS, key="tenant/subject", doc="Final statistics of tumbling windows."),
    TopicSpec(name=STATUS, key="tenant/subject", doc="Every change of a metric's level, with its evidence."),
    TopicSpec(name=CURRENT, key="tenant/subject/metric", compacted=True, doc="The latest status of each metric."),
    TopicSpec(name=BUDGET, key="tenant/subject", retention_ms=30 * DAY_MS, doc="Error budgets, told when their alert changes."),
    TopicSpec(name=SIGNALS, key="tenant/subject", doc="Derived signals: when a yes-or-no one changes, and a regular sample."),
    TopicSpec(name=VOICES, key="tenant/subject", retention_ms=14 * DAY_MS, doc="What the voices do, and why."),
    TopicSpec(name=ALERTS, key="tenant/subject", retention_ms=30 * DAY_MS, doc="Each state of each alert."),
    TopicSpec(name=ACTIONS, key="tenant/subject", retention_ms=30 * DAY_MS, doc="Each state of each automatic action."),
    TopicSpec(
        name=ESCALATIONS, key="tenant/subject", retention_ms=30 * DAY_MS, doc="Steps of escalation: what is due, and the notifier's ledger."
    ),
    TopicSpec(
        name=DEAD_LETTERS, key="tenant/subject, as far as known", retention_ms=30 * DAY_MS, doc="What was refused, why, and its bytes."
    ),
    TopicSpec(name=CHECKPOINTS, key="tenant/subject", doc="The worker's states, to recover from."),
    TopicSpec(name=CONFIG, key="hash", compacted=True, copartitioned=False, doc="Bodies of configurations, never deleted."),
)

BY_NAME: dict[str, TopicSpec] = {topic.name: topic for topic in TOPICS}


def marker_time(namespace: str) -> int:
    """Record time (ms) that whoever appends a configuration marker asks for; 0: the present.

    Outside the live namespace time is virtual, and the present would be a jump of the partition's log time: all that waits for it,
    from an acknowledgement to a step of a chain, would wait for ever. So a marker there moves no time.
    """
    return 0 if namespace == LIVE_NAMESPACE else 1


UNCOMMITTED: Final = {"isolation.level": "read_uncommitted"}
"""Settings of every consumer of ours: a record of a transaction counts when it stands in the log, whatever becomes of the
transaction, since no verdict waits for one, and all readers must see the same log (aiokafka's default, not librdkafka's)."""


def full_name(namespace: str, short: str) -> str:
    """The topic's name on the broker."""
    return f"{namespace}.{short}"
