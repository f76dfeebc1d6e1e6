"""The random logs are worth something only if they get into every corner: what they reach is counted here."""

from __future__ import annotations

import random
from collections import Counter

from processors.engine import PartitionEngine
from schemas.config import Config
from tests.processors.both import plain
from tests.processors.settings import SMALL_ONES, TOPIC
from tests.processors.streams import DISTANCES, WHAT, Scene, write

LOGS = 200
AT_LEAST = 2
"""Logs of `LOGS` that must reach each state."""


def _scene(dice: random.Random) -> Scene:
    """A scene as the strategy of `streams` draws it."""
    return Scene(
        what=dice.choice(WHAT),
        who=dice.choice((0, 0, 0, 1, 2, 3)),
        which=dice.randrange(4),
        aim=(dice.randrange(6), dice.choice(DISTANCES)),
        steps=dice.randint(1, 12),
        step=dice.choice((1000, 1000, 1000, 500, 700, 100, 2000, 3500)),
        ticks=dice.random() < 0.8,
        seed=dice.randrange(1000),
    )


def _reached(config: Config, dice: random.Random) -> set[tuple[object, ...]]:
    engine = PartitionEngine(config, topic=TOPIC, partition=0, partitions=dice.choice((1, 1, 2)))
    reached: set[tuple[object, ...]] = set()
    for record in write(config, [_scene(dice) for _ in range(dice.randint(1, 12))]):
        if record.kind == "tick":
            outs = engine.tick(record.offset, record.timestamp)
        else:
            outs = engine.points(record.offset, record.timestamp, record.value, record.encoding)
        for topic, _, _, _, value in map(plain, outs):
            if topic == "slo.status":
                reached.add((value["level"], value["priority"], value["side"]))
                reached.add(("reason", value["reason"]))
                before = value["previous"]
                if before is not None:
                    reached.add((before["priority"] or before["level"], "→", value["priority"] or value["level"]))
                reached |= {("entered", rung["side"], rung["priority"]) for rung in value["evidence"]["rungs"] if rung["entered"]}
                reached |= {("timer", rung["entered"]) for rung in value["evidence"]["rungs"] if rung["since"] is not None}
            elif topic == "slo.windows":
                reached.add(("late in a window", value["late"] > 0))
            else:
                reached.add(("dead", value["reason"]))
    reached |= {("forgotten",) for _ in engine.forgotten()}
    return reached


def test_random_logs_reach_every_state() -> None:
    """All levels on both sides, all reasons, rungs entered and left, timers running both ways, all refusals, expiry."""
    dice = random.Random(20)
    configs = list(SMALL_ONES.values())
    counted = Counter(what for n in range(LOGS) for what in _reached(configs[n % len(configs)], dice))
    states: list[tuple[object, ...]] = [("OK", None, None), ("UNKNOWN", None, None), ("forgotten",)]
    states += [("WARN", "P2", side) for side in ("low", "high")]
    states += [("BLOCK", priority, side) for priority in ("P0", "P1") for side in ("low", "high")]
    states += [("entered", side, priority) for side in ("low", "high") for priority in ("P2", "P1", "P0")]
    states += [("reason", reason) for reason in ("impossible", "missing", "late", "stuck", "sparse")]
    rungs = ("P2", "P1", "P0")
    states += [(a, "→", b) for a in ("OK", "UNKNOWN", *rungs) for b in ("OK", "UNKNOWN", *rungs) if a != b]
    states += [("timer", True), ("timer", False), ("late in a window", True)]
    refusals = ("invalid", "bad_name", "bad_metric", "out_of_range", "from_the_future", "too_old", "wrong_partition")
    states += [("dead", reason) for reason in refusals]
    assert [state for state in states if counted[state] < AT_LEAST] == []
