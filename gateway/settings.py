"""What a gateway needs to know to run; built by the command line, never read from the environment here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from schemas.config import Config


class Explanation(msgspec.Struct, frozen=True):
    """Whether a verdict, recomputed from the log, is the one that was published; if not, the first difference."""

    match: bool
    difference: str | None = None


Explain = Callable[[str, str], Awaitable[Explanation]]
"""`await explain(namespace, id)`; may take minutes, and gives up when it is cancelled; raises `LookupError` for an unknown id,
`ConnectionError` while Kafka is away."""


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one client from starving the others; sizes in bytes, times in seconds.

    Attributes:
        body: greatest body of a request; more is 413.
        in_flight_requests: publishing requests that may wait for the broker at once; more is 429.
        in_flight_bytes: their bodies together, with those that are still arriving; more is 429.
        receive: how long a body may take to arrive; longer is 408.
        points_per_s: accepted rate of points over HTTP, 0: none but the two above.
        ack: how long a publishing request waits for the broker before it answers 503. The message itself is given up by
            the producer a second earlier, so that an answer of 503 is not followed by a late write of the same points
            in all but rare cases.
        query: how long ClickHouse may take for one query.
        ws_message: greatest message that a browser may send.
        ws_behind: how long one message may take to leave for a slow client before it is cut off.
        snapshot: statuses in one snapshot at the most, those in need first.
    """

    body: int = 8 * 1024 * 1024
    in_flight_requests: int = 512
    in_flight_bytes: int = 64 * 1024 * 1024
    receive: float = 30.0
    points_per_s: int = 0
    ack: float = 5.0
    query: float = 5.0
    ws_message: int = 4096
    ws_behind: float = 10.0
    snapshot: int = 50_000


@dataclass(frozen=True)
class Settings:
    """Where the parts are and what is served.

    Attributes:
        kafka: bootstrap address, `HOST:PORT`.
        clickhouse: HTTP address, `http://HOST:PORT`; the password never appears in logs or representations.
        namespaces: prefixes of topics that are shown; points go to the first.
        config: the configuration that judges, until the topic `config` names a newer one.
        hosts: names under which it answers besides addresses and `localhost`; none: any, if it listens beyond loopback.
        explain: recomputes a verdict; None: the endpoint answers 501.
        web: folder of the built pages.
        ready: called once with the port when the gateway listens.
    """

    kafka: str
    clickhouse: str
    namespaces: tuple[str, ...]
    config: Config
    host: str = "127.0.0.1"
    port: int = 8080
    hosts: tuple[str, ...] = ()
    clickhouse_user: str = "iskra"
    clickhouse_password: str = field(default="", repr=False)
    explain: Explain | None = None
    web: Path = Path(__file__).parent / "web" / "dist"
    limits: Limits = Limits()
    ready: Callable[[int], None] | None = None
