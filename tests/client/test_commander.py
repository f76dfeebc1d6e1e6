"""Commands to a broker that goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iskra.client import Commander, NotAcknowledged, Place
from iskra.client import commander as module
from iskra.stack.kafka import EmbeddedKafka
from iskra.stack.topics import ensure_topics
from schemas.commands import MuteVoice, UnmuteVoice

pytestmark = pytest.mark.kafka


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, with the topics of the live namespace."""
    made = EmbeddedKafka(tmp_path)
    made.start()
    ensure_topics(made.bootstrap, "iskra", 1)
    yield made
    made.kill()


def test_a_command_that_is_given_up_takes_no_effect_later(broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the broker is away it is told as given up; once that is back, the next command is the first in the log."""
    monkeypatch.setattr(module, "SEND_S", 0.5)
    muted = MuteVoice(tenant="default", subject="alpha", who="ann", voice="hundun")
    with Commander(broker.bootstrap) as commander:
        broker.kill()
        with pytest.raises(
            NotAcknowledged, match=r"^not acknowledged \(given up\): no answer for 0\.5 s; the command is not tried"
        ) as lost:
            commander.send(muted)
        assert not lost.value.pending
        broker.start()
        monkeypatch.undo()
        unmuted = UnmuteVoice(tenant="default", subject="alpha", who="ann", voice="hundun")
        assert [commander.send(unmuted), commander.send(unmuted)] == [Place(0, 0), Place(0, 1)]
