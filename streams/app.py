"""The Faust application of a worker: its settings, its transport, and the agent that walks the rounds."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import faust
from faust.tables.manager import TableManager

from schemas.topics import POINTS, full_name
from streams.settings import Settings
from streams.transport import Round, RoundSchema, Transport


class NoTables(TableManager):
    """Faust's manager of tables, which there are none of: it also runs what resumes the streams after a rebalance."""

    async def on_start(self) -> None:
        """Starts at once; Faust waits a second for tables to be declared."""
        await self._update_channels()
        await self.recovery.start()


class WorkerApp(faust.App):
    """A Faust app with our transport.

    Attributes:
        settings: of the worker. points_topic: full name of the input.
        wanted_offset: where a partition is to be read from after a rebalance; None leaves it to the broker's commit.
    """

    settings: Settings
    points_topic: str
    wanted_offset: Callable[[int], int | None]

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self, loop=self.loop)


def build(settings: Settings, on_round: Callable[[Round], Awaitable[None]], wanted_offset: Callable[[int], int | None]) -> WorkerApp:
    """The app; `on_round` is awaited for each fetch round.

    Settings that matter: nothing is waited for that acknowledges offset by offset (`stream_wait_empty`), streams resume
    at once after a rebalance (`stream_recovery_delay`), and the buffer counts rounds, not messages.
    """
    app = WorkerApp(
        settings.group,
        broker=f"aiokafka://{settings.kafka}",
        store="memory://",
        # Faust makes this directory whether it has tables or not; it stays empty
        datadir=str(Path(tempfile.gettempdir()) / "iskra-worker"),
        autodiscover=False,
        TableManager=NoTables,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        stream_recovery_delay=0,
        stream_buffer_maxsize=settings.buffered_rounds,
        stream_processing_timeout=1e9,
        broker_session_timeout=settings.session_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        broker_rebalance_timeout=settings.rebalance_s,
        broker_request_timeout=20.0,
        broker_max_poll_interval=1e6,
        broker_commit_interval=3600.0,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=settings.instance_id,
    )
    app.settings = settings
    app.points_topic = full_name(settings.namespace, POINTS)
    app.wanted_offset = wanted_offset
    topic = app.topic(app.points_topic, schema=RoundSchema(), allow_empty=True)

    async def rounds(stream: Any) -> None:
        async for round_ in stream.noack():
            await on_round(round_)

    app.agent(topic, name="rounds")(rounds)
    return app
