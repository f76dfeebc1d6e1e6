"""`notify.yml`: what is refused, with file, line and what was expected; and that every step of every chain reaches somebody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from iskra import notify_config
from iskra.config_files import ConfigError
from sinks.notify.settings import Delivery, InboxAdapter, LogAdapter, NotifyConfig

GOOD = """\
channels:
  slack: [team]
  pagerduty: [duty]
  email: [mail]
adapters:
  team: {type: slack, url_env: SLACK}
  duty: {type: pagerduty, routing_key_env: KEY}
  mail:
    type: email
    host: localhost
    sender: iskra@example.org
    addresses: {tech-lead: [t@example.org], pm: [p@example.org]}
  spare: {type: webhook, url: "http://127.0.0.1/", secret_env: SPARE}
"""


def _load(folder: Path, text: str) -> NotifyConfig:
    (folder / "notify.yml").write_text(text)
    return notify_config.load(folder)


def test_what_comes_with_iskra_needs_no_account(tmp_path: Path) -> None:
    """Every channel of the chains leads to the log and the inbox; also for a directory without a file of its own."""
    for config in (notify_config.load(), notify_config.load(tmp_path)):
        assert config.channels == {name: ["log", "inbox"] for name in ("slack", "pagerduty", "email")}
        assert config.adapters == {"log": LogAdapter(), "inbox": InboxAdapter()}
        assert config.delivery == Delivery()
        assert notify_config.secrets(config, {}) == {}


def test_secrets_are_read_from_the_environment(tmp_path: Path) -> None:
    """Of adapters that a channel uses, and no others; one that is not set is told with its field."""
    config = _load(tmp_path, GOOD)
    assert notify_config.secrets(config, {"SLACK": "s", "KEY": "k", "HOME": "/"}) == {"SLACK": "s", "KEY": "k"}
    with pytest.raises(ConfigError, match=r"adapters\.team\.url_env: expected the environment variable SLACK to be set"):
        notify_config.secrets(config, {"SLACK": "", "KEY": "k"})


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("slack: [team]", "slack: [teem]", 2, "channels.slack: expected adapters that stand below, got 'teem'"),
        ("slack: [team]", "slack: []", 2, "channels.slack: expected at least one adapter"),
        ("slack: [team]", "slack: [team, team]", 2, "channels.slack: expected each adapter once"),
        ("  slack: [team]\n", "", 1, "expected the channel slack, which leads to DevOps Lead, whom the chain of P0 tells over slack"),
        ("type: slack", "type: slick", 6, "adapters.team"),
        ("url_env: SLACK", "url: https://hooks.slack.com/x", 6, "adapters.team.url"),
        ("pm: [p@example.org]", "pm: []", 12, "expected addresses of pm: PM, whom the chain of P1 tells over email"),
        ("host: localhost", "host: localhost\n    user: iskra", 11, "expected user and password_env together, or neither"),
        ("adapters:", "delivery: {timeout: 0s}\nadapters:", 5, "delivery.timeout: expected more than 0"),
        ("adapters:", "delivery: {first_pause: 2m}\nadapters:", 5, "delivery.longest_pause: expected at least first_pause"),
        ("adapters:", "  slack: [duty]\nadapters:", 5, "slack: expected once, stands here again"),
        ("channels:", "channels: [", 3, "expected ',' or ']'"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    """The first thing that is wrong, where it stands, and what was expected."""
    with pytest.raises(ConfigError) as caught:
        _load(tmp_path, GOOD.replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path}/notify.yml:{line}: ")
    assert what in str(caught.value)


def test_a_process_refuses_it_with_one_line(tmp_path: Path) -> None:
    """Exit code 2, before anything is asked of a broker; no secret is told."""
    (tmp_path / "notify.yml").write_text(GOOD)
    done = subprocess.run(
        [sys.executable, "-m", "iskra", "sink", "notify", "--kafka", "127.0.0.1:1", "--config", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "Error: notify.yml: adapters.duty.routing_key_env: expected the environment variable KEY to be set"
    ]
