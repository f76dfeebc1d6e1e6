"""The sections of the configuration that comes with Iskra, and instants to hand to the machines of the living part."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from processors.emission import Emission
from processors.instant import Instant
from schemas.durations import decode_hook

KEY = b"default/alpha"
HASHED = "0123456789abcdef"
METRICS = ["clarity", "chaos", "trust", "pain"]

Section = TypeVar("Section")


def section(file: str, model: type[Section], **changes: Any) -> Section:
    """A file of `config/`, with parts replaced."""
    tree = yaml.safe_load((Path(__file__).resolve().parents[2] / "config" / file).read_text(encoding="utf-8"))
    return msgspec.convert(tree | changes, model, dec_hook=decode_hook)


def new_emission() -> Emission:
    """Outputs of one partition."""
    emission = Emission("iskra.metrics.points", 0)
    emission.config = "c0ffee"
    return emission


def instant_at(emission: Emission, now: int, log_now: int, *, whole: bool = True) -> Instant:
    """An instant of the subject `default/alpha`; times in ms."""
    return Instant("default", "alpha", KEY, HASHED, emission, now, log_now, whole)
