"""PagerDuty's Events API v2: an incident is opened and resolved under one key, however often it is sent."""

from __future__ import annotations

import datetime as dt
from typing import Any

import aiohttp
import msgspec

from sinks.notify.adapters.http import Endpoint
from sinks.notify.message import Notification

SEVERITIES = {"P0": "critical", "P1": "error", "P2": "warning"}
SUMMARY_CHARACTERS = 1024


class PagerDuty:
    """Triggers and resolves incidents of one service, which the routing key names."""

    def __init__(self, http: aiohttp.ClientSession, url: str, routing_key: str) -> None:
        self._endpoint = Endpoint(http, url, "PagerDuty")
        self._routing_key = routing_key

    async def send(self, notification: Notification) -> None:
        """Sends an event; PagerDuty answers 202 when it has taken it, 429 when there were too many.

        Raises:
            Refused, Later: as PagerDuty says.
        """
        body = msgspec.json.encode({"routing_key": self._routing_key, **payload(notification)})
        await self._endpoint.post(body, {"Content-Type": "application/json"})


def payload(notification: Notification) -> dict[str, Any]:
    """The event without its routing key."""
    event = notification.event
    told: dict[str, Any] = {"event_action": event.kind, "dedup_key": event.dedup_key}
    if event.kind == "trigger":
        told["client"] = "Iskra"
        told["payload"] = {
            "summary": event.summary[:SUMMARY_CHARACTERS],
            "source": f"{event.tenant}/{event.subject}",
            "severity": SEVERITIES[event.priority],
            "timestamp": dt.datetime.fromtimestamp(event.due / 1000, dt.UTC).isoformat(timespec="milliseconds"),
            "component": event.metric,
            "group": event.tenant,
            "class": event.level,
            "custom_details": notification.facts,
        }
    return told
