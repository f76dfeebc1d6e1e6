"""One contract for every adapter, against real receivers on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from structlog.testing import capture_logs

from sinks.notify import settings
from sinks.notify.adapters import Port, make
from sinks.notify.adapters.inbox import file_of, read
from sinks.notify.errors import Later, Refused
from sinks.notify.message import Notification
from tests.notify.helpers import event, identity
from tests.notify.receivers import HOOK_SECRET, ROUTING_KEY, Http, Smtp

SECRETS = {"SLACK_URL": "", "ROUTING_KEY": ROUTING_KEY, "HOOK_SECRET": HOOK_SECRET, "SMTP_PASSWORD": "let me in"}
ADDRESSES = {"devops-lead": ["lead@example.org", "deputy@example.org"]}
ADAPTERS = ("log", "inbox", "slack", "pagerduty", "email", "webhook")
REMOTE = ("slack", "pagerduty", "email", "webhook")
OVER_HTTP = ("slack", "pagerduty", "webhook")
HOSTILE = "chaos\r\nBcc: <all@example.org> & *bold* `code` 🜃 " + "ы" * 5000


class World:
    """The receivers, and what each of them was told, in words that are the same for all."""

    def __init__(self, folder: Path) -> None:
        self.http = Http()
        self.smtp = Smtp()
        self.smtp.start()
        self.folder = folder
        self.lines: list[str] = []

    def close(self) -> None:
        self.http.close()
        self.smtp.stop()

    @property
    def inbox(self) -> Path:
        return file_of(self.folder, "iskra")

    def configured(self, name: str) -> settings.Adapter:
        parts: dict[str, settings.Adapter] = {
            "log": settings.LogAdapter(),
            "inbox": settings.InboxAdapter(),
            "slack": settings.SlackAdapter(url_env="SLACK_URL"),
            "pagerduty": settings.PagerDutyAdapter(routing_key_env="ROUTING_KEY", url=self.http.url("pagerduty")),
            "webhook": settings.WebhookAdapter(url=self.http.url("hook"), secret_env="HOOK_SECRET"),
            "email": settings.EmailAdapter(
                host="127.0.0.1",
                port=self.smtp.port,
                tls="none",
                user="iskra",
                password_env="SMTP_PASSWORD",
                sender="iskra@example.org",
                addresses=ADDRESSES,
            ),
        }
        return parts[name]

    @asynccontextmanager
    async def adapter(self, name: str) -> AsyncIterator[Port]:
        config = settings.NotifyConfig(channels={}, adapters={}, delivery=settings.Delivery())
        process = settings.Settings(
            kafka="",
            namespace="iskra",
            live=True,
            instance="t",
            config=config,
            secrets=SECRETS | {"SLACK_URL": self.http.url("slack")},
            inbox=self.inbox,
        )
        async with aiohttp.ClientSession() as session:
            yield make(self.configured(name), process, session)

    def misbehave(self, name: str, mode: str) -> None:
        if name == "email":
            self.smtp.mode = {"500": "451", "400": "550"}.get(mode, mode)
        else:
            self.http.mode = mode

    def told(self, name: str) -> list[str]:
        """Everything that the receiver took, as text."""
        if name == "log":
            return self.lines
        if name == "inbox":
            return [json.dumps(message, ensure_ascii=False) for message in read(self.inbox)]
        if name == "email":
            return [f"{taken.headers['subject']}\n{taken.body.get_content()}" for taken in self.smtp.taken]
        return [json.dumps(taken.body, ensure_ascii=False) for taken in self.http.taken]

    def run(self, name: str, work: Callable[[Port], Awaitable[Any]]) -> Any:
        """Runs `work` with the adapter."""

        async def whole() -> Any:
            async with self.adapter(name) as adapter:
                return await work(adapter)

        with capture_logs() as lines:
            try:
                return asyncio.run(whole())
            finally:
                self.lines += [json.dumps(line) for line in lines]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The receivers, well-behaved."""
    structlog.reset_defaults()  # a command that ran in this process may have raised the level of what is logged
    made = World(tmp_path)
    yield made
    made.close()
    assert made.http.wrong == []


def _trigger(**other: Any) -> Notification:
    return Notification(identity(7), event(**other))


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_receiver_is_told_who_and_what(world: World, name: str) -> None:
    """One message, in the receiver's own format, that names the subject, what is wrong and the alert."""
    world.run(name, lambda adapter: adapter.send(_trigger()))
    (told,) = world.told(name)
    assert "chaos of default/alpha is 0.9, above 0.8" in told
    assert "a1" in told


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_receiver_is_told_that_it_is_over(world: World, name: str) -> None:
    """A resolve is a message of its own, in order after the trigger."""
    over = Notification(identity(8), event(kind="resolve", summary="over (recovered): chaos of default/alpha"))

    async def both(adapter: Port) -> None:
        await adapter.send(_trigger())
        await adapter.send(over)

    world.run(name, both)
    first, second = world.told(name)
    assert "over (recovered)" not in first
    # PagerDuty closes by the key alone
    assert ("resolve" if name == "pagerduty" else "over (recovered)") in second


@pytest.mark.parametrize("name", ADAPTERS)
def test_any_text_is_only_text(world: World, name: str) -> None:
    """Line breaks, markup, other scripts and great length reach the receiver as words, in a message that it accepts."""
    world.run(name, lambda adapter: adapter.send(_trigger(summary=HOSTILE, metric="chaos")))
    (told,) = world.told(name)
    assert "chaos" in told
    if name == "email":
        assert [taken.headers["to"] for taken in world.smtp.taken] == ["lead@example.org, deputy@example.org"]
        assert "bcc" not in world.smtp.taken[0].headers
    if name == "slack":
        assert "<all@example.org>" not in told


@pytest.mark.parametrize("name", ["pagerduty", "email", "webhook"])
def test_what_is_sent_again_has_the_same_key(world: World, name: str) -> None:
    """So a far side that takes keys (Slack takes none) can tell that it is the same."""

    async def twice(adapter: Port) -> None:
        await adapter.send(_trigger())
        await adapter.send(_trigger())

    world.run(name, twice)
    taken = world.smtp.taken if name == "email" else world.http.taken
    keys = {
        "pagerduty": [one.body["dedup_key"] for one in taken] if name == "pagerduty" else [],
        "email": [one.headers.get("message-id") for one in taken],
        "webhook": [one.headers.get("idempotency-key") for one in taken],
    }[name]
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert keys[0]


@pytest.mark.parametrize("name", REMOTE)
def test_an_error_that_may_pass_is_later(world: World, name: str) -> None:
    """500 or 451: the same message again, later; and then it is taken."""
    world.misbehave(name, "500")
    with pytest.raises(Later, match=r"answered (500|451)"):
        world.run(name, lambda adapter: adapter.send(_trigger()))
    world.misbehave(name, "ok")
    world.run(name, lambda adapter: adapter.send(_trigger()))
    assert len(world.told(name)) == 1


@pytest.mark.parametrize("name", REMOTE)
def test_an_error_of_the_message_is_final(world: World, name: str) -> None:
    """400 or 550: the same message again would be refused again."""
    world.misbehave(name, "400")
    with pytest.raises(Refused, match=r"answered (400|550)"):
        world.run(name, lambda adapter: adapter.send(_trigger()))


@pytest.mark.parametrize("name", OVER_HTTP)
@pytest.mark.parametrize("mode", ["401", "403", "404", "302"])
def test_what_people_can_mend_is_later(world: World, name: str, mode: str) -> None:
    """A key, a right, an address may be put right within the hour; a redirect is not followed (what is signed is for one address)."""
    world.misbehave(name, mode)
    with pytest.raises(Later, match=f"answered {mode}"):
        world.run(name, lambda adapter: adapter.send(_trigger()))
    assert world.http.asked == 1


@pytest.mark.parametrize("name", OVER_HTTP)
def test_patience_that_is_asked_for_is_told(world: World, name: str) -> None:
    """Retry-After in seconds or as a date; nonsense is none."""
    world.misbehave(name, "429")
    for text, low, high in (("7", 7, 7), ("Wed, 21 Oct 2048 07:28:00 GMT", 1e6, 1e12), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0)):
        world.http.retry_after = text
        with pytest.raises(Later) as caught:
            world.run(name, lambda adapter: adapter.send(_trigger()))
        assert caught.value.after is not None
        assert low <= caught.value.after <= high
    world.http.retry_after = "soon"
    with pytest.raises(Later) as caught:
        world.run(name, lambda adapter: adapter.send(_trigger()))
    assert caught.value.after is None


@pytest.mark.parametrize("name", REMOTE)
def test_a_connection_that_is_cut_is_later(world: World, name: str) -> None:
    """Whether it was taken is unknown, so it is sent again."""
    world.misbehave(name, "cut")
    with pytest.raises(Later, match="was not reached"):
        world.run(name, lambda adapter: adapter.send(_trigger()))


@pytest.mark.parametrize("name", REMOTE)
def test_a_receiver_that_hangs_can_be_left(world: World, name: str) -> None:
    """An attempt is cancelled when its time is over; the adapter works on."""

    async def left(adapter: Port) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await adapter.send(_trigger())
        world.misbehave(name, "ok")
        await adapter.send(_trigger())

    world.misbehave(name, "hang")
    world.run(name, left)
    assert len(world.told(name)) == 1


@pytest.mark.parametrize("name", REMOTE)
def test_nobody_there_is_later(tmp_path: Path, name: str) -> None:
    """Connection refused; the text names no address that is a secret."""
    world = World(tmp_path)
    world.close()
    with pytest.raises(Later, match="was not reached") as caught:
        world.run(name, lambda adapter: adapter.send(_trigger()))
    assert world.http.url("slack") not in str(caught.value)


def test_pagerduty_is_told_how_bad_it_is(world: World) -> None:
    """P0 critical, P1 error, P2 warning; trigger and resolve under the step's key."""

    async def all_three(adapter: Port) -> None:
        for priority in ("P0", "P1", "P2"):
            await adapter.send(_trigger(priority=priority, channel="pagerduty"))

    world.run("pagerduty", all_three)
    assert [taken.body["payload"]["severity"] for taken in world.http.taken] == ["critical", "error", "warning"]
    world.run("pagerduty", lambda adapter: adapter.send(_trigger(kind="resolve")))
    assert {(taken.body["event_action"], taken.body["dedup_key"]) for taken in world.http.taken} == {
        ("trigger", "a1/0"),
        ("resolve", "a1/0"),
    }


def test_the_webhook_carries_the_record(world: World) -> None:
    """The fields of the topic, and the record's id."""
    world.run("webhook", lambda adapter: adapter.send(_trigger()))
    (taken,) = world.http.taken
    assert taken.body["id"] == identity(7) == taken.headers["webhook-id"]
    assert (taken.body["alert_id"], taken.body["who"], taken.body["value"]) == ("a1", "devops-lead", 0.9)


def test_mail_logs_in_and_threads(world: World) -> None:
    """To everybody who has the role; all messages of an alert hang together; a reply robot is not woken."""
    world.run("email", lambda adapter: adapter.send(_trigger()))
    (taken,) = world.smtp.taken
    assert world.smtp.logins == [(b"iskra", b"let me in")]
    assert taken.headers["references"] == "<a1@example.org>"
    assert taken.headers["auto-submitted"] == "auto-generated"
    assert "iskra alerts ack a1" in taken.body.get_content()


def test_mail_to_nobody_is_refused(world: World) -> None:
    """A person without an address is named."""
    with pytest.raises(Refused, match="no address of pm"):
        world.run("email", lambda adapter: adapter.send(_trigger(who="pm")))


def test_a_wrong_password_is_later(world: World) -> None:
    """It can be put right within the hour."""
    SECRETS["SMTP_PASSWORD"] = "wrong"
    try:
        with pytest.raises(Later, match="answered 535"):
            world.run("email", lambda adapter: adapter.send(_trigger()))
    finally:
        SECRETS["SMTP_PASSWORD"] = "let me in"


def test_the_inbox_outlives_a_write_that_was_cut_off(world: World) -> None:
    """Half a line costs that line alone; what is appended twice is read once; the order stands."""
    world.run("inbox", lambda adapter: adapter.send(_trigger()))
    with world.inbox.open("ab") as file:
        file.write(b'{"id":"0-8-0-0-00000')
    world.run("inbox", lambda adapter: adapter.send(_trigger()))
    world.run("inbox", lambda adapter: adapter.send(Notification(identity(9), event("a2"))))
    assert [message["alert_id"] for message in read(world.inbox)] == ["a1", "a2"]
    assert world.inbox.stat().st_mode & 0o077 == 0


def test_an_inbox_that_cannot_be_written_is_later(world: World) -> None:
    """The text names file and reason."""
    world.inbox.parent.mkdir(parents=True)
    world.inbox.mkdir()
    with pytest.raises(Later, match="Is a directory"):
        world.run("inbox", lambda adapter: adapter.send(_trigger()))


def test_an_inbox_is_set_aside_when_it_is_large(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older half is read first; what is older still is gone."""
    monkeypatch.setattr("sinks.notify.adapters.inbox.MAX_BYTES", 1)

    async def four(adapter: Port) -> None:
        for number in range(4):
            await adapter.send(Notification(identity(number), event(f"a{number}")))

    world.run("inbox", four)
    assert [message["alert_id"] for message in read(world.inbox)] == ["a2", "a3"]
