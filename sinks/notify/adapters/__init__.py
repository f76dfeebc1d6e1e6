"""One receiver each, behind one port."""

from __future__ import annotations

from typing import Protocol

import aiohttp

from sinks.notify import settings
from sinks.notify.adapters.email import Email
from sinks.notify.adapters.inbox import Inbox
from sinks.notify.adapters.log import Log
from sinks.notify.adapters.pagerduty import PagerDuty
from sinks.notify.adapters.slack import Slack
from sinks.notify.adapters.webhook import Webhook
from sinks.notify.message import Notification


class Port(Protocol):
    """A receiver. `send` runs many times at once, on one event loop; it is cancelled when its time is over."""

    async def send(self, notification: Notification) -> None:
        """Tells the receiver; returns when it has taken the message.

        Raises:
            Refused: it never will. Later: it could not be reached, or does not take it now.
        """


def make(adapter: settings.Adapter, process: settings.Settings, http: aiohttp.ClientSession) -> Port:
    """The receiver that a part of the configuration describes; its secrets are those of the process' settings."""
    match adapter:
        case settings.LogAdapter():
            return Log()
        case settings.InboxAdapter():
            return Inbox(process.inbox)
        case settings.SlackAdapter():
            return Slack(http, process.secrets[adapter.url_env])
        case settings.PagerDutyAdapter():
            return PagerDuty(http, adapter.url, process.secrets[adapter.routing_key_env])
        case settings.EmailAdapter():
            password = None if adapter.password_env is None else process.secrets[adapter.password_env]
            return Email(adapter, password, process.config.delivery.timeout / 1000)
        case settings.WebhookAdapter():
            return Webhook(http, adapter.url, process.secrets[adapter.secret_env])
