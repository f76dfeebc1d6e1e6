"""Fifty runs of twenty alerts, with worker, notifier and broker killed at random moments."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.notify.killing import play

pytestmark = pytest.mark.soak


def test_fifty_runs_of_twenty_alerts(tmp_path: Path) -> None:
    """Every step is delivered, none under two keys, none after an accepted acknowledgement."""
    asyncio.run(play(tmp_path, int(os.environ.get("ISKRA_SOAK_ALERT_RUNS", "50")), int(os.environ.get("ISKRA_SOAK_SEED", "1"))))
