"""Worker, notifier and broker killed at random moments while twenty alerts escalate."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.notify.killing import play

pytestmark = pytest.mark.kafka


@pytest.mark.timeout(1200)
def test_three_runs_of_twenty_alerts(tmp_path: Path) -> None:
    """Every step is delivered, none under two keys, none after an accepted acknowledgement."""
    seed = int(os.environ.get("ISKRA_TEST_SEED", "0")) or random.randrange(1 << 30)
    print("seed", seed)
    asyncio.run(play(tmp_path, 3, seed))
