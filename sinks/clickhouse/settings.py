"""What a sink needs to know to run; built by the command line."""

from __future__ import annotations

import re

import msgspec


class Admission(msgspec.Struct, frozen=True):
    """What of the configuration decides whether a point is well-formed.

    `tenants`: the known ones (None: every legal name). `ranges`: least and greatest value by metric; others ±10⁹.
    """

    tenants: frozenset[str] | None = None
    ranges: dict[str, tuple[float, float]] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one sink process.

    Attributes:
        kafka: bootstrap address. clickhouse: HTTP address of one ClickHouse node. namespace: prefix of the topics.
        live: the namespace's times are the clock's, so that its rows are deleted by age.
        instance: name of this sink; who comes back under the same name goes on at once, another waits for the lease.
        block_rows: rows in a block at the most. linger: seconds a row waits for others at the most while the store is idle:
            each round costs the store four requests and its merges, five of them a second were 40 % of a core, two are 22 %;
            who must know at once reads Kafka. lease: seconds without a sign after which another sink takes over.
        timeout: seconds for one request to the store: a block of 100,000 rows takes 0.3 s, on a busy disk some seconds.
    """

    kafka: str
    clickhouse: str
    user: str
    password: str = msgspec.field(default="")
    namespace: str
    live: bool
    instance: str
    admission: Admission = Admission()
    block_rows: int = 100_000
    linger: float = 1.0
    lease: float = 3.0
    timeout: float = 30.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int = 0

    def __repr__(self) -> str:
        return f"Settings(namespace={self.namespace!r}, instance={self.instance!r})"

    @property
    def database(self) -> str:
        """The database of the namespace."""
        return database(self.namespace)


def database(namespace: str) -> str:
    """The name of a namespace's database: what is no letter, digit or `_` becomes `_`."""
    return re.sub(r"[^A-Za-z0-9_]", "_", namespace)
