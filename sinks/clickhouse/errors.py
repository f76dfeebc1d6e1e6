"""What can go wrong between a sink and its store, by what is done about it.

SinkError
├── StoreAway   the store cannot be reached or cannot serve now: the same request again, after a pause
├── Wiped       tables or database are gone: the schema is made anew and the place in the log looked up again
└── Lost        another sink has written the round: stop writing, stand by
"""

from __future__ import annotations


class SinkError(Exception):
    """Any of the below."""


class StoreAway(SinkError):
    """Not now; retry the same."""


class Wiped(SinkError):
    """Database or table is gone; begin with the schema."""


class Lost(SinkError):
    """Another sink writes; stand by."""
