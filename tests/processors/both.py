"""A log under test: every record goes through the engine and through the literal implementation, which must agree.

So a test of a rule says what the rule asks for in plain numbers, and is a comparison of the two besides.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from processors.engine import Output, PartitionEngine
from schemas.config import Config
from tests.processors.settings import DEFAULT, TOPIC
from tests.reference import Out, Reference


def plain(out: Output) -> Out:
    """An output as it is read from a topic; the text of `detail` (free) is blanked, once it is seen to be there."""
    value = json.loads(msgspec.json.encode(out.value))
    if out.topic == "dead-letters":
        assert value["detail"]
        value["detail"] = ""
    return Out(out.topic, out.key, out.id, out.ts, value)


def ms(seconds: float) -> int:
    """Seconds as whole milliseconds."""
    return round(seconds * 1000)


def differences(got: Sequence[Out], expected: Sequence[Out]) -> str:
    """Where two lists of outputs differ, field by field, for people."""
    told = [f"engine {len(got)} outputs, law {len(expected)}"] if len(got) != len(expected) else []
    for n, (mine, law) in enumerate(itertools.zip_longest(got, expected)):
        if mine is None or law is None:
            told.append(f"{n}: only in {'law' if mine is None else 'engine'}: {law or mine}")
        elif mine != law:
            fields = [(name, getattr(mine, name), getattr(law, name)) for name in ("topic", "key", "id", "ts")]
            fields += [(name, mine.value.get(name), law.value.get(name)) for name in {**mine.value, **law.value}]
            told.append(f"{n}: {law.topic} {law.id}")
            told += [f"    {name}: engine {a!r}, law {b!r}" for name, a, b in fields if a != b]
    return "\n".join(told)


class Both:
    """A partition's log, written record by record. Times are in seconds, of the log and of points alike."""

    def __init__(self, config: Config = DEFAULT, *, partition: int = 0, partitions: int = 1, live: bool = True) -> None:
        self.engine = PartitionEngine(config, topic=TOPIC, partition=partition, partitions=partitions, live=live)
        self.reference = Reference(config, topic=TOPIC, partition=partition, partitions=partitions, live=live)
        self.offset = -1
        self.now = 0
        self.outs: list[Out] = []

    def send(self, content: Any, *, at: float | None = None, origin: str | None = None, encoding: str | None = None) -> list[Out]:
        """A record of points: bytes as they are, anything else as JSON. `at`: record time, else the last one."""
        value = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        self._advance(at)
        return self._agree(
            self.engine.points(self.offset, self.now, value, encoding=encoding, origin=origin),
            self.reference.points(self.offset, self.now, value, encoding, origin),
        )

    def point(self, metric: str, value: float, t: float, *, at: float | None = None, subject: str = "alpha", **more: Any) -> list[Out]:
        """A lone point with `ts` = t seconds; the record time is `at`, else the later of t and the last one."""
        self._advance(max(t, self.now / 1000) if at is None else at, count=False)
        return self.send({"subject": subject, "metric": metric, "value": value, "ts": ms(t), **more})

    def every_second(self, metric: str, value: float, seconds: Iterable[int], *, ticks: bool = False, subject: str = "alpha") -> list[Out]:
        """A point a second with the same value, a tick after each where `ticks` says so."""
        outs: list[Out] = []
        for t in seconds:
            outs += self.point(metric, value, t, subject=subject)
            if ticks:
                outs += self.tick(t)
        return outs

    def tick(self, t: float, *, origin: str | None = None) -> list[Out]:
        """A tick with record time t seconds."""
        self._advance(t)
        return self._agree(
            self.engine.tick(self.offset, self.now, origin=origin),
            self.reference.tick(self.offset, self.now, origin),
        )

    def ticks(self, seconds: Iterable[int]) -> list[Out]:
        """A tick each second."""
        return [out for t in seconds for out in self.tick(t)]

    def configure(self, config: Config) -> None:
        """A configuration marker."""
        self._advance(None)
        self.reference.configure(self.now, config)
        self._agree(self.engine.configure(self.offset, self.now, config), [])

    def _advance(self, at: float | None, *, count: bool = True) -> None:
        self.now = self.now if at is None else ms(at)
        self.offset += count

    def _agree(self, got: list[Output], expected: list[Out]) -> list[Out]:
        mine = [plain(out) for out in got]
        assert mine == expected, differences(mine, expected)
        assert self.engine.position == self.offset
        assert (self.engine.log_time, self.engine.last_tick) == (self.reference.log_time, self.reference.last_tick)
        self.outs += expected
        return expected


def said(outs: list[Out], metric: str | None = None) -> list[tuple[float, str]]:
    """The statuses among outputs, each as (second, `LEVEL` with its priority or reason, and its side)."""
    return [
        (out.ts / 1000, " ".join(x for x in (out.value["level"], out.value["priority"] or out.value["reason"], out.value["side"]) if x))
        for out in outs
        if out.topic == "slo.status" and metric in (None, out.value["metric"])
    ]


def statuses(outs: list[Out]) -> list[dict[str, Any]]:
    """The values of the statuses."""
    return [out.value for out in outs if out.topic == "slo.status"]


def windows(outs: list[Out], size: int = 10_000) -> list[dict[str, Any]]:
    """The values of the windows of a size (ms)."""
    return [out.value for out in outs if out.topic == "slo.windows" and out.value["size_ms"] == size]


def reasons(outs: list[Out]) -> list[str]:
    """The reasons of the dead letters."""
    return [out.value["reason"] for out in outs if out.topic == "dead-letters"]
