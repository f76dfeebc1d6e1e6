"""The settings of one worker process, as values; `iskra.cli.worker` builds them from options."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.config import Config
from schemas.topics import LIVE_NAMESPACE


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where a worker works, and its time constants.

    Attributes:
        kafka: bootstrap address. namespace: prefix of the topics.
        config: what this worker judges by where a partition's log names nothing newer.
        instance_id: static membership; a restart under the same id takes its partitions back without a rebalance.
        live: broker time, age limit on points, ticks. None: only the namespace `iskra` is live.
        ticks: whether to tick; None: live namespaces do.
        metrics_host, metrics_port: where /metrics and /healthz are; port 0: nowhere.
        checkpoint_every_s: a partition that has changed is checkpointed so often. Bounds what a restart replays:
            5 s of log at ten times its speed are half a second.
        full_every_s: a full snapshot at least so often; a seventh of the retention of the checkpoint log.
        slice_s: processing hands the event loop over after so long, so that ticks and acknowledgements are never late by more.
        checkpoint_slice_s: likewise for the writing of a checkpoint.
        max_unacknowledged: outputs in flight above which nothing more is processed (about 1 KB each).
        session_s, heartbeat_s, rebalance_s: of the consumer group. A dead worker is noticed after the session; three
            heartbeats fit into it with room for a pause of the machine. Within the rebalance time-out the last
            checkpoint (`revoke_s`) must be written.
        revoke_s: how long a last checkpoint may take before partitions are handed over without it.
        fetch_wait_ms: how long the broker may hold a fetch that finds nothing.
        partition_fetch_bytes, fetch_bytes: largest fetch of one partition and of one round.
        buffered_rounds: fetch rounds that may wait for processing; with `fetch_bytes` this bounds memory.
    """

    kafka: str
    namespace: str
    config: Config
    instance_id: str | None = None
    live: bool | None = None
    ticks: bool | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0
    checkpoint_every_s: float = 5.0
    full_every_s: float = 86_400.0
    slice_s: float = 0.004
    checkpoint_slice_s: float = 0.002
    max_unacknowledged: int = 20_000
    session_s: float = 6.0
    heartbeat_s: float = 1.5
    rebalance_s: float = 6.0
    revoke_s: float = 4.0
    fetch_wait_ms: int = 500
    partition_fetch_bytes: int = 2 * 1024 * 1024
    fetch_bytes: int = 8 * 1024 * 1024
    buffered_rounds: int = 3

    @property
    def is_live(self) -> bool:
        """Whether points have an age limit."""
        return self.namespace == LIVE_NAMESPACE if self.live is None else self.live

    @property
    def is_ticking(self) -> bool:
        """Whether this worker appends ticks."""
        return self.is_live if self.ticks is None else self.ticks

    @property
    def group(self) -> str:
        """The consumer group."""
        return f"{self.namespace}.worker"
