"""Models of `config/notify.yml`, and what a notifier process needs to know."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from schemas.durations import Duration


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    """A part of the configuration: unknown keys are refused. Secrets are names of environment variables (`…_env`)."""


class LogAdapter(_Section, frozen=True, kw_only=True, tag="log"):
    """A line in the notifier's own log."""


class InboxAdapter(_Section, frozen=True, kw_only=True, tag="inbox"):
    """The local inbox, which `iskra alerts inbox` reads."""


class SlackAdapter(_Section, frozen=True, kw_only=True, tag="slack"):
    """An incoming webhook of Slack; its URL is the secret."""

    url_env: str


class PagerDutyAdapter(_Section, frozen=True, kw_only=True, tag="pagerduty"):
    """PagerDuty's Events API v2: opens and resolves incidents under one key."""

    routing_key_env: str
    url: str = "https://events.pagerduty.com/v2/enqueue"


class EmailAdapter(_Section, frozen=True, kw_only=True, tag="email"):
    """SMTP. `addresses` says where who is written to; without `user` there is no log-in."""

    host: str
    port: int = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str | None = None
    password_env: str | None = None
    sender: str
    addresses: dict[str, list[str]]


class WebhookAdapter(_Section, frozen=True, kw_only=True, tag="webhook"):
    """JSON to a URL of yours, signed as Standard Webhooks says (HMAC-SHA256 over id, time and body)."""

    url: str
    secret_env: str


Adapter = LogAdapter | InboxAdapter | SlackAdapter | PagerDutyAdapter | EmailAdapter | WebhookAdapter


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How hard it is tried.

    `timeout` bounds one attempt, `concurrency` the attempts of a channel at one time. Pauses between attempts double from
    `first_pause` to `longest_pause`, less up to half by chance. What was not delivered `give_up_after` the notifier took it
    fails, also if its turn never came; what is older than `oldest` when it is first seen fails without an attempt.
    """

    timeout: Duration = Duration(10_000)
    concurrency: int = 16
    first_pause: Duration = Duration(500)
    longest_pause: Duration = Duration(60_000)
    give_up_after: Duration = Duration(3_600_000)
    oldest: Duration = Duration(86_400_000)


class NotifyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`channels`: of each channel that chains name, the adapters that take its messages, all of them."""

    channels: dict[str, list[str]]
    adapters: dict[str, Adapter]
    delivery: Delivery = Delivery()

    def secrets(self) -> dict[str, str]:
        """The environment variables that adapters in use need: name → the field that names it."""
        used = {name for names in self.channels.values() for name in names}
        found = {}
        for name in sorted(used & self.adapters.keys()):
            adapter = self.adapters[name]
            for field in adapter.__struct_fields__:
                variable = getattr(adapter, field)
                if field.endswith("_env") and variable is not None:
                    found[variable] = f"adapters.{name}.{field}"
        return found


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one notifier process.

    Attributes:
        kafka: bootstrap address. namespace: prefix of the topics' names.
        live: the namespace's times are the clock's, so that what is due has an age; elsewhere time is virtual.
        instance: name of this notifier; who comes back under the same name takes its partitions back at once.
        secrets: values of the environment variables that `config` names. inbox: file of the local inbox.
        metrics_port: of /metrics and /healthz; 0: none.
    """

    kafka: str
    namespace: str
    live: bool
    instance: str
    config: NotifyConfig
    secrets: dict[str, str] = {}
    inbox: Path
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0

    def __repr__(self) -> str:
        return f"Settings(namespace={self.namespace!r}, instance={self.instance!r})"
