"""Slack's incoming webhooks. Slack takes no key, so what is sent again after a kill stands there twice."""

from __future__ import annotations

import aiohttp
import msgspec

from sinks.notify.adapters.http import Endpoint
from sinks.notify.message import Notification

MARKS = {"P0": ":red_circle:", "P1": ":large_orange_circle:", "P2": ":large_yellow_circle:"}
RESOLVED = ":white_check_mark:"


class Slack:
    """Posts a line and its facts to the channel behind the webhook."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._endpoint = Endpoint(http, url, "Slack")

    async def send(self, notification: Notification) -> None:
        """Posts; Slack answers 200 when it has taken the message, 429 when there were too many.

        Raises:
            Refused, Later: as Slack says.
        """
        await self._endpoint.post(payload(notification), {"Content-Type": "application/json"})


def payload(notification: Notification) -> bytes:
    """The message as Slack reads it: `text` for notifications on a phone, blocks for the channel."""
    event = notification.event
    mark = RESOLVED if event.kind == "resolve" else MARKS[event.priority]
    title = _escaped(notification.title)
    facts = [{"type": "mrkdwn", "text": f"*{_escaped(name)}*\n{_escaped(text)}"} for name, text in notification.facts.items()]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": f"{mark} *{title}*"}}, {"type": "section", "fields": facts}]
    return msgspec.json.encode({"text": f"{mark} {title}", "blocks": blocks})


def _escaped(text: str) -> str:
    """Text in which nothing is a link, a mention or a format of Slack's."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("*", "\u2217").replace("`", "\u02cb")
