"""A queue of the gateway's producer without room for a request."""

from __future__ import annotations

import asyncio

import pytest

from gateway import ledger as module
from gateway.ledger import Busy, Ledger, Record


def test_a_request_that_does_not_fit_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is told to come back comes back with all of it: what had been taken would be there twice."""
    monkeypatch.setattr(module, "QUEUE_MESSAGES", 100)

    async def story() -> None:
        ledger = Ledger("127.0.0.1:1", "n", asyncio.get_running_loop())
        records = [Record("n.metrics.points", 0, b"", b"{}", [])] * 60
        first = asyncio.ensure_future(ledger.append(records, 5.0))
        await asyncio.sleep(0)
        assert 60 <= len(ledger._producer) < 80  # with what the client library tells of the broker
        with pytest.raises(Busy):
            await ledger.append(records, 5.0)
        assert 60 <= len(ledger._producer) < 80  # with what the client library tells of the broker
        first.cancel()
        ledger._producer.purge()
        ledger._producer.flush(5)

    asyncio.run(story())
