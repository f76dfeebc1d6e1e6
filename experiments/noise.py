"""Noise and detection: healthy simulated subjects, of whom little should be told, and injected incidents, which should be found.

The healthy ones are lively: they touch the edges of what is in order. Incidents happen to gentle ones, so that what is found
is the incident, and when it began is known. The engine alone, many subjects in one log; parts of a population run in parallel processes.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple, TypeVar

import msgspec

from experiments.driver import Timed
from experiments.simulator import LIVELY, VITALS, Drift, Population
from processors.engine import Output, PartitionEngine
from schemas.config import Config, from_json, to_json
from schemas.events import VoiceEvent
from schemas.outputs import SloStatus, WindowStats
from schemas.topics import LIVE_NAMESPACE, POINTS, full_name

START = 1_762_387_200
"""Epoch s: Thursday 2025-11-06 00:00 UTC."""
SETTLE_S = 60
"""Of a healthy subject the first minute is not looked at: there is nothing yet to judge by."""
SEEN_MS = 10_000
"""How lively they are is told by their means of so long."""
RAMPS_S = (0, 30, 120)
HOLD_S = 180
"""An incident stands so long; it is found if it is told of before it is half a minute over."""
LATE_S = 30
_CALM_S = 60
T = TypeVar("T")


class Seen(msgspec.Struct):
    """How one vital of healthy subjects lived: its 10 s means (sums for their standard deviation), and its seconds not OK."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf
    beyond: int = 0
    bad_ms: int = 0

    def add(self, mean: float, low: float | None, high: float | None) -> None:
        """One 10 s mean; `low` and `high` are the edges of what is in order."""
        self.count += 1
        self.total += mean
        self.squares += mean * mean
        self.least = min(self.least, mean)
        self.greatest = max(self.greatest, mean)
        self.beyond += (low is not None and mean < low) or (high is not None and mean > high)

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            self.count + other.count,
            self.total + other.total,
            self.squares + other.squares,
            min(self.least, other.least),
            max(self.greatest, other.greatest),
            self.beyond + other.beyond,
            self.bad_ms + other.bad_ms,
        )

    @property
    def mean(self) -> float:
        """Mean of the 10 s means."""
        return self.total / self.count

    @property
    def stddev(self) -> float:
        """Their standard deviation."""
        return math.sqrt(max(0.0, self.squares / self.count - self.mean**2))


class Healthy(msgspec.Struct, frozen=True):
    """What was told of healthy subjects: seconds judged and not OK (of all vitals), P0 statuses, activations of voices."""

    judged_s: int
    bad_s: float
    p0: int
    voices: int
    seen: dict[str, Seen]


class Incident(NamedTuple):
    """One vital of one subject leaves its range: from `begin` (s of the run) over `ramp` s to `level`, beyond `bound`."""

    subject: str
    metric: str
    begin: int
    ramp: int
    level: float
    bound: float


class Found(msgspec.Struct, frozen=True):
    """An incident and when it was found, s after its true level crossed the bound; None: it was not."""

    metric: str
    ramp: int
    after_s: float | None


def healthy(config: Config, subjects: int, seconds: int, seed: int, processes: int | None = None) -> Healthy:
    """So many healthy and lively subjects for so long, a point of each vital a second."""
    names = [f"healthy-{n}" for n in range(subjects)]
    parts = _parallel(_healthy, config, names, (seconds, seed), processes)
    return Healthy(
        sum(part.judged_s for part in parts),
        sum(part.bad_s for part in parts),
        sum(part.p0 for part in parts),
        sum(part.voices for part in parts),
        {vital.metric: sum((part.seen[vital.metric] for part in parts), Seen()) for vital in LIVELY},
    )


def incidents(config: Config, number: int, seed: int, processes: int | None = None) -> list[Found]:
    """So many incidents, each in a subject of its own: vital, side, size and ramp at random."""
    names = [f"incident-{n}" for n in range(number)]
    return [found for part in _parallel(_incidents, config, names, (seed,), processes) for found in part]


def _parallel(work: Callable[..., T], config: Config, names: list[str], arguments: tuple[int, ...], processes: int | None) -> list[T]:
    processes = min(processes or os.cpu_count() or 1, len(names))
    if processes <= 1:
        return [work(to_json(config), names, *arguments)]
    parts = [names[n::processes] for n in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(work, to_json(config), part, *arguments) for part in parts]
        return [future.result() for future in waiting]


def _outputs(config: Config, population: Population, seconds: int) -> Iterable[Output]:
    """What the engine says of a population, in the order of the log."""
    engine = PartitionEngine(config, topic=full_name(LIVE_NAMESPACE, POINTS), partition=0, partitions=1, live=False)
    encode = msgspec.json.Encoder().encode
    offset = 0
    for second in range(START + 1, START + seconds + 1):
        timed: Sequence[Timed] = sorted(population.second(second), key=lambda item: item.time)
        for at in range(0, len(timed), 10_000):
            part = timed[at : at + 10_000]
            yield from engine.points(offset, part[-1].time, encode([item.point for item in part]))
            offset += 1
        yield from engine.tick(offset, second * 1000)
        offset += 1


def _healthy(body: bytes, names: list[str], seconds: int, seed: int) -> Healthy:
    config = from_json(body)
    bad_since: dict[tuple[str, str], int] = {}
    begin, end = (START + SETTLE_S) * 1000, (START + seconds) * 1000
    p0 = voices = 0
    seen = {vital.metric: Seen() for vital in LIVELY}
    edges = {metric: (spec.low.P2, spec.high.P2) for metric, spec in config.metrics.items()}
    for output in _outputs(config, Population(names, seed=seed, per_second=1, vitals=LIVELY), seconds):
        value = output.value
        if isinstance(value, WindowStats):
            if value.size_ms == SEEN_MS and value.start >= begin:
                seen[value.metric].add(value.mean, *edges[value.metric])
        elif isinstance(value, SloStatus):
            key = (value.subject, value.metric)
            if key in bad_since:
                seen[value.metric].bad_ms += max(0, value.since - max(bad_since.pop(key), begin))
            if value.level != "OK":
                bad_since[key] = value.since
            p0 += value.priority == "P0"
        elif isinstance(value, VoiceEvent):
            voices += value.event == "activated"
    for (_, metric), since in bad_since.items():
        seen[metric].bad_ms += end - max(since, begin)
    bad_ms = sum(one.bad_ms for one in seen.values())
    return Healthy(len(names) * len(LIVELY) * (seconds - SETTLE_S), bad_ms / 1000, p0, voices, seen)


def _incident(config: Config, name: str, rng: random.Random) -> Incident:
    sides = [
        (metric, sign, bound)
        for metric, spec in config.metrics.items()
        for sign, bound in ((-1, spec.low.P2), (1, spec.high.P2))
        if bound is not None
    ]
    metric, sign, bound = rng.choice(sides)
    level = min(max(bound + sign * rng.uniform(0.03, 0.20), 0.02), 0.98)
    return Incident(name, metric, _CALM_S + rng.randrange(60), rng.choice(RAMPS_S), level, bound)


def _incidents(body: bytes, names: list[str], seed: int) -> list[Found]:
    config = from_json(body)
    made = {name: _incident(config, name, random.Random(f"{seed}/{name}")) for name in names}
    population = Population(names, seed=seed, per_second=1)
    targets = {vital.metric: vital.target for vital in VITALS}
    for incident in made.values():
        begin = START + incident.begin
        there = begin + incident.ramp
        frames = ((begin, 0.0), (there, incident.level), (there + HOLD_S, incident.level), (there + HOLD_S + LATE_S, 0.0))
        population.subjects[incident.subject].drift(Drift(incident.metric, frames))
    first: dict[str, int] = {}
    for output in _outputs(config, population, _CALM_S + 60 + max(RAMPS_S) + HOLD_S + 2 * LATE_S):
        value = output.value
        if isinstance(value, SloStatus) and value.level in ("WARN", "BLOCK"):
            incident = made[value.subject]
            if value.metric == incident.metric and value.since >= (START + incident.begin) * 1000:
                first.setdefault(value.subject, value.since)
    found = []
    for incident in made.values():
        share = (incident.bound - targets[incident.metric]) / (incident.level - targets[incident.metric])
        crossed = START + incident.begin + incident.ramp * share
        told = first.get(incident.subject)
        last = START + incident.begin + incident.ramp + HOLD_S + LATE_S
        in_time = told is not None and told <= last * 1000
        found.append(Found(incident.metric, incident.ramp, round(told / 1000 - crossed, 3) if told is not None and in_time else None))
    return found
