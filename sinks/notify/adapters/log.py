"""A line in the notifier's own log."""

from __future__ import annotations

import structlog

from sinks.notify.message import Notification


class Log:
    """Tells whoever reads the log."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("iskra.notify")

    async def send(self, notification: Notification) -> None:
        """Writes one line."""
        event = notification.event
        tell = self._log.info if event.kind == "resolve" else self._log.warning
        tell(notification.title, channel=event.channel, role=event.role, who=event.who, alert=event.alert_id, step=event.step)
