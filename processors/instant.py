"""One judging instant of one subject, as the state machines of the living part see it."""

from __future__ import annotations

from typing import Final

import msgspec
from mypy_extensions import mypyc_attr

from processors.emission import Emission
from schemas.events import Cause

NEVER: Final = (1 << 62) - 1
"""After every time: a machine that waits for nothing."""


@mypyc_attr(acyclic=True)
class Instant:
    """When and of whom; what is said goes out through it, in order.

    Attributes:
        now: subject time of the judging, ms. log_now: log time of the partition, ms.
        whole: whether it is a whole second (else a point). tenant, subject: whose.
    """

    __slots__ = ("emission", "hashed", "key", "log_now", "now", "subject", "tenant", "whole")

    def __init__(self, tenant: str, subject: str, key: bytes, hashed: str, emission: Emission, now: int, log_now: int, whole: bool) -> None:
        self.tenant = tenant
        self.subject = subject
        self.key = key
        self.hashed = hashed
        self.emission = emission
        self.now = now
        self.log_now = log_now
        self.whole = whole

    @property
    def config(self) -> str:
        """Hash of the configuration in force."""
        return self.emission.config

    def cause(self) -> Cause:
        """Where the record stands that is being applied."""
        return Cause(self.emission.topic, self.emission.partition, self.emission.offset)

    def next_id(self) -> str:
        """The id that the next message will get; what begins a life (an alert, an action) is named by it."""
        return self.emission.next_id(self.key, self.hashed)

    def say(self, topic: str, message: msgspec.Struct, ts: int | None = None) -> str:
        """Emits a message; `ts` is the instant's subject time unless given (log time where people wait). Returns its id."""
        return self.emission.emit(topic, self.key, self.hashed, self.now if ts is None else ts, message)
