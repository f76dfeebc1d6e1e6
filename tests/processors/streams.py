"""Random logs that reach deep states: scenes (a drift past a bound, a silence, a burst of late points …) strung together.

Hypothesis draws the scenes, so a failing log shrinks to a few of them; inside a scene a seeded generator does the details.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from schemas.config import Config, Metric

SUBJECTS = (("default", "alpha"), ("default", "бета"), ("default", "slow-1"), ("t2", "alpha"))
FREE_METRIC = "mood"
START = 1_762_435_100_000


class Record(NamedTuple):
    """A record of the points topic."""

    kind: str
    offset: int
    timestamp: int
    value: bytes
    encoding: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Scene:
    """A stretch of a log.

    `what`: see `_Writer`; `who`, `which`: subject and metric; `aim`: (bound, distance) around which values lie;
    `steps` of `step` ms each; `ticks`: whether the worker is up.
    """

    what: str
    who: int
    which: int
    aim: tuple[int, float]
    steps: int
    step: int
    ticks: bool
    seed: int


WHAT = (
    ["steady"] * 6
    + ["swing"] * 3
    + ["equal"] * 3
    + ["jitter"] * 3
    + ["late", "refused", "silence"] * 2
    + ["arrays", "arrays", "others", "odd ticks", "fast", "sparse", "burst"]
)
DISTANCES = (0.0, 1e-9, -1e-9, 0.02, -0.02, 0.02 + 1e-9, -0.02 - 1e-9, 0.05, -0.05, 0.1, -0.1, 0.3, -0.3)

scene = st.builds(
    Scene,
    what=st.sampled_from(WHAT),
    who=st.sampled_from((0, 0, 0, 1, 2, 3)),
    which=st.integers(0, 3),
    aim=st.tuples(st.integers(0, 5), st.sampled_from(DISTANCES)),
    steps=st.integers(1, 12),
    step=st.sampled_from((1000, 1000, 1000, 500, 700, 100, 2000, 3500)),
    ticks=st.sampled_from((True, True, True, True, False)),
    seed=st.integers(0, 999),
)
scenes = st.lists(scene, min_size=1, max_size=10)


def write(config: Config, parts: list[Scene], *, replay: bool = False) -> list[Record]:
    """The log of these scenes, one after the other. `replay`: the records tell where they stood originally."""
    writer = _Writer(config, replay)
    for part in parts:
        writer.play(part)
    return writer.log


@dataclass
class _Writer:
    config: Config
    replay: bool
    log: list[Record] = field(default_factory=list)
    now: int = START
    ticked: int = START // 1000
    offset: int = 0

    def play(self, scene: Scene) -> None:
        """Appends the records of one scene."""
        dice = random.Random(scene.seed)
        if scene.what == "burst":
            self._send(dice, [self._point(scene, dice, self.now + n) for n in range(scene.steps * 4)])
            return
        for n in range(scene.steps):
            self._pass(scene.step, scene.ticks)
            match scene.what:
                case "steady" | "fast":
                    self._send(dice, [self._point(scene, dice, self.now - dice.choice((0, 0, 1, 400)))])
                    if scene.what == "fast":
                        self._send(dice, [self._point(scene, dice, self.now) for _ in range(3)])
                case "swing":
                    # values on both sides of the bound, whose mean comes to stand on it or next to it
                    away = (0.125, -0.125)[n % 2]
                    self._send(dice, [self._point(scene, dice, self.now, away)])
                case "equal":
                    self._send(dice, [self._point(scene, None, self.now)])
                case "jitter":
                    lateness = self.config.time.allowed_lateness
                    back = dice.choice((0, 0, 300, 999, 1000, 1500, lateness - 1, lateness, lateness + 1))
                    self._send(dice, [self._point(scene, dice, max(0, self.now - back))])
                case "late":
                    back = self.config.time.allowed_lateness + dice.choice((1, 500, 1000, 5000, 20000))
                    points = [self._point(scene, dice, self.now - back) for _ in range(dice.choice((1, 2, 3)))]
                    self._send(dice, [*points, self._point(scene, dice, self.now)] if dice.random() < 0.5 else points)
                case "refused":
                    self._send(dice, [self._bad(scene, dice) for _ in range(dice.choice((1, 1, 2)))])
                    if dice.random() < 0.7:
                        self._send(dice, [self._point(scene, dice, self.now)])
                case "arrays":
                    self._array(scene, dice)
                case "others":
                    free = {**self._point(scene, dice, self.now), "metric": FREE_METRIC, "value": dice.choice((-3.5, 2, 1e9, 0.1))}
                    self._send(dice, [free])
                case "odd ticks":
                    self._tick(dice.choice((0, -1, -2500, 700)))
                case "sparse":
                    if n % 3 == 0:
                        self._send(dice, [self._point(scene, dice, self.now)])
                case _:  # silence: time alone passes
                    continue

    def _pass(self, ms: int, ticks: bool) -> None:
        self.now += ms
        while self.ticked < self.now // 1000:
            self.ticked += 1
            if ticks:
                self._append("tick", self.ticked * 1000 + 3)

    def _tick(self, away: int) -> None:
        self._append("tick", max(0, self.now + away))

    def _append(self, kind: str, timestamp: int, value: bytes = b"", encoding: str | None = None) -> None:
        # offsets of a log may have gaps
        self.offset += 1 + (self.offset % 5 == 4)
        origin = f"5-{self.offset * 3 + 1000}" if self.replay else None
        self.log.append(Record(kind, self.offset, timestamp, value, encoding, origin))

    def _send(self, dice: random.Random, points: list[dict[str, Any]]) -> None:
        if len(points) > 1 and dice.random() < 0.5:
            self._message(dice, points)
        else:
            for point in points:
                self._message(dice, point)

    def _message(self, dice: random.Random, content: Any) -> None:
        if dice.random() < 0.1 and b"10000000000000000000000000" not in json.dumps(content).encode():
            self._append("points", self.now, msgspec.msgpack.encode(content), "msgpack")
        else:
            self._append("points", self.now, json.dumps(content, ensure_ascii=False).encode())

    def _metric(self, scene: Scene) -> tuple[str, Metric]:
        names = list(self.config.metrics)
        name = names[scene.which % len(names)]
        return name, self.config.metrics[name]

    def _aim(self, scene: Scene, away: float) -> float:
        _, metric = self._metric(scene)
        bounds = [b for side in (metric.low, metric.high) for b in (side.P2, side.P1, side.P0) if b is not None]
        place, distance = scene.aim
        return min(metric.values[1], max(metric.values[0], bounds[place % len(bounds)] + distance + away))

    def _point(self, scene: Scene, dice: random.Random | None, ts: int, away: float = 0.0) -> dict[str, Any]:
        tenant, subject = SUBJECTS[scene.who]
        name, metric = self._metric(scene)
        value = self._aim(scene, away)
        if dice is not None and away == 0.0:
            value = min(metric.values[1], max(metric.values[0], value + dice.choice((0.0, 0.0, 1e-9, -1e-9, 0.004, -0.004))))
        point: dict[str, Any] = {"subject": subject, "metric": name, "value": value, "ts": ts}
        if tenant != "default" or (dice is not None and dice.random() < 0.2):
            point["tenant"] = tenant
        if dice is not None and dice.random() < 0.1:
            point["source"] = dice.choice(("dialogue-42", "x"))
        if dice is not None and dice.random() < 0.1:
            point["ts"] = dt.datetime.fromtimestamp(ts // 1000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ts % 1000:03d}9Z"
        return point

    def _array(self, scene: Scene, dice: random.Random) -> None:
        points = []
        for _ in range(dice.randint(2, 6)):
            other = Scene(**{**scene.__dict__, "who": dice.randrange(4), "which": dice.randrange(4)})
            late = dice.choice((0, 0, 0, 1200, 6000))
            points.append(self._point(other, dice, self.now - late) if dice.random() < 0.85 else self._bad(other, dice))
        self._append("points", self.now, json.dumps(points, ensure_ascii=False).encode())

    def _bad(self, scene: Scene, dice: random.Random) -> dict[str, Any]:
        time = self.config.time
        return {
            **self._point(scene, dice, self.now),
            **dice.choice(
                (
                    {"value": 2e9},
                    {"value": "0.5"},
                    {"value": None},
                    {"ts": self.now + time.max_skew + 1},
                    {"ts": self.now + time.max_skew + 50_000},
                    {"ts": self.now - time.max_age - 1},
                    {"ts": self.now / 1.0 + 0.5},
                    {"ts": str(self.now)},
                    {"ts": float(self.now)},
                    {"ts": 253_402_300_800_000},
                    {"ts": 10**25},
                    {"ts": -1},
                    {"source": "a/b"},
                    {"subject": "no/slash"},
                    {"metric": "Clarity"},
                    {"metric": 7},
                    {"tenant": None},
                )
            ),
        }
