"""§2, §5, §7 with more points in a second than are kept one by one: what is folded away is missed nowhere."""

from __future__ import annotations

import msgspec
import pytest

from processors.quantiles import EXACT
from tests.processors.both import Both, statuses
from tests.processors.settings import config

WORLD = config(time={"max_age": "7d"}, windows=["10s"], defaults={"stuck_after": "10m"})
UNBOUND = msgspec.structs.replace(WORLD, metrics={name: metric for name, metric in WORLD.metrics.items() if name != "clarity"})


def flood(log: Both, value: float, second: int, number: int) -> None:
    """So many points in one second, up to 1,000 to a record."""
    for start in range(0, number, 1000):
        points = [
            {"subject": "alpha", "metric": "clarity", "value": value, "ts": second * 1000 + n // 10}
            for n in range(start, min(start + 1000, number))
        ]
        log.send(points, at=second + 1)


def test_the_evidence_of_a_flood_names_its_first_point() -> None:
    """The record in which the window's oldest point came, also where a point that was looked at had the second folded."""
    log = Both(WORLD)
    log.every_second("clarity", 0.80, range(90, 97))
    flood(log, 0.80, 100, EXACT)
    # outside the limits, so it takes the long way, at which all is folded; the mean stays where it was
    log.point("clarity", 0.99, 100.5)
    log.point("clarity", 0.80, 100.6)
    log.every_second("clarity", 0.99, range(101, 106))
    assert statuses(log.outs)[-1]["level"] != "OK"


@pytest.mark.parametrize("snapshot", [False, True])
def test_a_flooded_metric_that_gains_a_ladder_counts_the_whole_second(snapshot: bool) -> None:
    """Whether its points were folded, as a snapshot has them, tells on no output; engine and law agree."""
    log = Both(UNBOUND)
    flood(log, 0.92, 100, EXACT + 1000)
    if snapshot:
        log.engine.snapshot(b"default/alpha")
    log.configure(WORLD)
    log.point("clarity", 0.80, 100.9)
    (status,) = statuses(log.outs)[:1]
    assert status["evidence"]["count"] == EXACT + 1001
    log.every_second("clarity", 0.80, range(101, 112))
