"""A start that is given up half-way."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from iskra.stack import stack as module
from iskra.stack.errors import NotReachableError
from iskra.stack.stack import Stack, StackSettings


def test_a_start_that_is_given_up_waits_for_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Topics are waited for 20 s at the most; once the broker is stopped as well, nobody needs them."""
    begun, enough = threading.Event(), threading.Event()
    waited: list[bool] = []

    def ensure(*_: object) -> None:
        begun.set()
        waited.append(enough.wait(60))

    monkeypatch.setattr(module, "ensure_topics", ensure)

    async def story() -> None:
        settings = StackSettings(data=tmp_path, kafka="127.0.0.1:1", gateway=False, sinks=False, notify=False, reporter=False)
        starting = asyncio.ensure_future(Stack(settings).start())
        while not begun.is_set():  # noqa: ASYNC110 - of another thread there is no event of this loop
            await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(story())
    assert waited == []
    enough.set()


def test_what_goes_wrong_in_the_thread_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it had been done at once."""

    def ensure(*_: object) -> None:
        raise NotReachableError("no such thing")

    monkeypatch.setattr(module, "ensure_topics", ensure)
    settings = StackSettings(data=tmp_path, kafka="127.0.0.1:1", gateway=False, sinks=False, notify=False, reporter=False)
    with pytest.raises(NotReachableError, match="no such thing"):
        asyncio.run(Stack(settings).start())
