"""Names by which the gateway finds things."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """Which metric of whom."""

    namespace: str
    tenant: str
    subject: str
    metric: str


class SubjectKey(NamedTuple):
    """A subject of a namespace."""

    namespace: str
    tenant: str
    subject: str
