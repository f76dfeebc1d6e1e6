"""Reads `notify.yml`: where the channels of the chains lead; each error names file, line, field and what was expected.

A chain's step that nobody would hear of is refused here, before anything runs: a channel without an adapter, somebody
without an address, a secret that is not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from iskra.config_files import DEFAULT_DIR, refuse_unknown
from iskra.yaml_files import ConfigError, compose, convert, line_of, read
from schemas.living import Alerts
from sinks.notify.settings import Adapter, Delivery, EmailAdapter, NotifyConfig

NOTIFY = "notify.yml"
ESCALATION = "escalation.yml"
TYPES = "log, inbox, slack, pagerduty, email, webhook"


class _File:
    """A YAML file, from `directory` or, if it has none, the one that comes with Iskra."""

    def __init__(self, directory: Path | None, file: str) -> None:
        path = (directory or DEFAULT_DIR) / file
        if not path.exists():
            path = DEFAULT_DIR / file
        self.name = str(path)
        self.root, self.data = compose(read(path, f"expected the file {file}"), self.name)

    def convert(self, model: Any) -> Any:
        """The file as `model`."""
        return convert(self.data, model, [], self.root, self.name)

    def error(self, field: str, what: str) -> ConfigError:
        """What is wrong with a field (steps joined by dots)."""
        return ConfigError(f"{self.name}:{line_of(self.root, field.split('.'))}: {field}: {what}")


def load(directory: Path | None = None) -> NotifyConfig:
    """The configuration of notifications in `directory`, checked against the chains of `escalation.yml` there.

    Raises:
        ConfigError: no YAML, a file of an unknown name, an unknown key, a wrong type, a channel or a person of a chain that leads nowhere.
    """
    refuse_unknown(directory or DEFAULT_DIR)
    file = _File(directory, NOTIFY)
    adapters = file.data.get("adapters") if isinstance(file.data, dict) else None
    if isinstance(adapters, dict):
        for name, body in adapters.items():  # each by itself: in a path through a mapping msgspec does not name the key
            convert(body, cast(Any, Adapter), ["adapters", str(name)], file.root, file.name)
    config: NotifyConfig = file.convert(NotifyConfig)
    for channel, names in config.channels.items():
        if not names:
            raise file.error(f"channels.{channel}", "expected at least one adapter")
        if len(set(names)) < len(names):
            raise file.error(f"channels.{channel}", "expected each adapter once")
        for name in names:
            if name not in config.adapters:
                raise file.error(f"channels.{channel}", f"expected adapters that stand below, got {name!r}")
    for name, adapter in config.adapters.items():
        if isinstance(adapter, EmailAdapter) and (adapter.user is None) != (adapter.password_env is None):
            raise file.error(f"adapters.{name}.user", "expected user and password_env together, or neither")
    _check_delivery(file, config.delivery)
    _check_chains(file, config, directory)
    return config


def _check_delivery(file: _File, delivery: Delivery) -> None:
    for field in ("timeout", "concurrency", "first_pause", "longest_pause", "give_up_after", "oldest"):
        if getattr(delivery, field) < 1:
            raise file.error(f"delivery.{field}", "expected more than 0")
    if delivery.longest_pause < delivery.first_pause:
        raise file.error("delivery.longest_pause", "expected at least first_pause")


def _check_chains(file: _File, config: NotifyConfig, directory: Path | None) -> None:
    """Every step of every chain must reach somebody."""
    alerts: Alerts = _File(directory, ESCALATION).convert(Alerts)
    for priority, chain in alerts.chains.items():
        for step in chain.steps:
            where = f"{step.role}, whom the chain of {priority} tells over {step.channel}"
            if step.channel not in config.channels:
                raise file.error("channels", f"expected the channel {step.channel}, which leads to {where}")
            for name in config.channels[step.channel]:
                adapter = config.adapters[name]
                who = alerts.people.get(step.role, "")
                if isinstance(adapter, EmailAdapter) and not adapter.addresses.get(who):
                    raise file.error(f"adapters.{name}.addresses", f"expected addresses of {who}: {where}")


def secrets(config: NotifyConfig, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Values of the environment variables that adapters in use name.

    Raises:
        ConfigError: one is not set; it names the field.
    """
    found = {}
    for variable, field in config.secrets().items():
        value = environment.get(variable)
        if not value:
            raise ConfigError(f"{NOTIFY}: {field}: expected the environment variable {variable} to be set")
        found[variable] = value
    return found
