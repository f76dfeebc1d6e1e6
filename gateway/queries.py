"""Questions to ClickHouse: every one bound by parameters, by time and by rows. The only place that knows tables.

Each namespace is a database of its own; its name is made from the namespace, which is one of those in the settings and
never a text from a request.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import clickhouse_connect
import orjson
from clickhouse_connect.driver.exceptions import ClickHouseError

from gateway.settings import Settings

SERIES_POINTS = 2_000
"""Steps in one answer at the most."""
WINDOW_SIZES = (60_000, 10_000)
"""Sizes (ms) of stored windows that may stand for raw points, coarsest first."""
CONNECTIONS = 8
READ_ROWS = 50_000_000

Row = tuple[int, float, float, float, int]


class StoreAway(Exception):
    """ClickHouse cannot be asked now; the text says why."""


class TooMuch(Exception):
    """ClickHouse gave the query up: too slow or too large."""


def database(namespace: str) -> str:
    """The database of a namespace."""
    return re.sub(r"[^A-Za-z0-9_]", "_", namespace)


def default_step(since: int, until: int) -> int:
    """The step (ms) that gives a chart of this range about 900 steps: whole seconds, whole windows from 10 s on."""
    step = max(1000, -(-(until - since) // 900_000) * 1000)
    for size in WINDOW_SIZES:
        if step > size:
            return -(-step // size) * size
    return step


class Queries:
    """An asynchronous client that connects when it is first needed and again when the store was away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.suspect: Callable[[], None] = lambda: None
        """Told when something failed that may mean that the store is away."""
        self._client: Any = None
        self._connecting = asyncio.Lock()

    async def _connected(self) -> Any:
        if self._client is not None:
            return self._client
        async with self._connecting:
            if self._client is None:
                address = urlsplit(self._settings.clickhouse)
                self._client = await clickhouse_connect.get_async_client(
                    host=address.hostname,
                    port=address.port,
                    interface=address.scheme,
                    username=self._settings.clickhouse_user,
                    password=self._settings.clickhouse_password,
                    connector_limit=CONNECTIONS,
                    connector_limit_per_host=CONNECTIONS,
                    connect_timeout=2,
                    send_receive_timeout=int(self._settings.limits.query) + 1,
                    query_retries=0,
                    compress=False,
                )
        return self._client

    async def close(self) -> None:
        """Ends the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def probe(self) -> None:
        """Succeeds when ClickHouse answers; raises whatever the client raises if not."""
        client = await self._connected()
        await client.query("SELECT 1")

    async def _ask(self, namespace: str, sql: str, parameters: dict[str, Any]) -> Sequence[Sequence[Any]]:
        limit = self._settings.limits.query
        bounds = {"max_execution_time": limit, "max_rows_to_read": READ_ROWS, "do_not_merge_across_partitions_select_final": 1}
        try:
            async with asyncio.timeout(limit + 0.5):
                client = await self._connected()
                result = await client.query(sql.replace("DB.", database(namespace) + "."), parameters=parameters, settings=bounds)
        except TimeoutError:
            self.suspect()
            raise TooMuch(f"no answer within {limit:g} s") from None
        except ClickHouseError as error:
            text = str(error)
            if "TIMEOUT_EXCEEDED" in text or "TOO_MANY_ROWS" in text:
                raise TooMuch(text.splitlines()[0][:200]) from None
            if "UNKNOWN_DATABASE" in text or "UNKNOWN_TABLE" in text:
                return []  # the sink has not created it yet: nothing is stored
            self.suspect()
            raise StoreAway(text.splitlines()[0][:200]) from None
        except OSError as error:
            self.suspect()
            raise StoreAway(str(error)[:200]) from None
        rows: Sequence[Sequence[Any]] = result.result_rows
        return rows

    async def series(self, namespace: str, tenant: str, subject: str, metric: str, since: int, until: int, step: int) -> list[Row]:
        """Start of each step (ms, multiples of `step`), mean, min, max and count of the points in [since, until).

        Steps of whole windows are read from windows as far as these go, and from points behind; others from points.

        Raises:
            StoreAway, TooMuch: as their names say.
        """
        bound = {"tenant": tenant, "subject": subject, "metric": metric, "since": since, "until": until, "step": step}
        size = next((size for size in WINDOW_SIZES if step % size == 0), None)
        rows: list[Row] = []
        if size is not None:
            found = await self._ask(namespace, _SERIES_WINDOWS, {**bound, "size": size})
            rows = [(int(t), float(mean), float(low), float(high), int(n)) for t, mean, low, high, n, _ in found]
            if rows:
                bound["since"] = max(since, int(found[-1][5]))
        tail = await self._ask(namespace, _SERIES_POINTS, bound)
        return _joined(rows, [(int(t), float(mean), float(low), float(high), int(n)) for t, mean, low, high, n in tail])

    async def verdicts(
        self, namespace: str, tenant: str | None, subject: str | None, limit: int, behind: tuple[int, str] | None = None
    ) -> list[dict[str, Any]]:
        """The latest verdicts, newest first by `since`, ready for orjson; `behind` as in `past`.

        Raises:
            StoreAway, TooMuch: as their names say.
        """
        where = ["1"]
        bound: dict[str, Any] = {"limit": limit}
        for name, value in (("tenant", tenant), ("subject", subject)):
            if value is not None:
                where.append(f"{name} = {{{name}:String}}")
                bound[name] = value
        if behind is not None:
            where.append(f"(DB.status.since, id) < {_BEHIND}")
            bound |= {"behind": behind[0], "behind_id": behind[1]}
        sql = _VERDICTS.replace("CONDITION", " AND ".join(where))
        return [_verdict(row) for row in await self._ask(namespace, sql, bound)]

    async def verdict(self, namespace: str, identity: str) -> dict[str, Any] | None:
        """The verdict of that id, None if there is none (yet)."""
        rows = await self._ask(namespace, _VERDICT, {"id": identity})
        return _verdict(rows[0]) if rows else None

    async def past(
        self, namespace: str, what: str, bound: dict[str, Any], limit: int, behind: tuple[int, str] | None = None
    ) -> list[dict[str, Any]]:
        """The last state of each of `alerts` or `actions`, newest first, ready for orjson.

        `bound` holds tenant, subject, state and priority where they are asked for, and `before` (ms). `behind`: the time
        (ms) and id of the last item of the page before.

        Raises:
            StoreAway, TooMuch: as their names say.
        """
        columns, named, at = LIVES[what]
        inner = [f"{name} = {{{name}:String}}" for name in ("tenant", "subject") if name in bound] or ["1"]
        outer = [f"{name} = {{{name}:String}}" for name in ("state", "priority") if name in bound]
        told = ", ".join(_LIFE_TIMES.get(name, f"`{name}`") for name in columns)
        outer.append(f"x.{at} < fromUnixTimestamp64Milli({{before:Int64}})")
        if behind is not None:
            outer.append(f"(x.{at}, x.id) < {_BEHIND}")
            bound = {**bound, "behind": behind[0], "behind_id": behind[1]}
        latest = f"SELECT * FROM DB.{what} FINAL WHERE {' AND '.join(inner)} ORDER BY {_POSITION} DESC LIMIT 1 BY {named}"  # noqa: S608 - our names
        sql = f"SELECT {told} FROM ({latest}) AS x WHERE {' AND '.join(outer)} ORDER BY x.{at} DESC, x.id DESC LIMIT {{limit:UInt32}}"  # noqa: S608
        rows = await self._ask(namespace, sql, {**bound, "limit": limit})
        return [{"namespace": namespace, **_opened(dict(zip(columns, row, strict=True)))} for row in rows]


def _opened(row: dict[str, Any]) -> dict[str, Any]:
    """Nested parts, stored as JSON, go through as they are."""
    for name in ("evidence", "review", "effect"):
        if name in row:
            row[name] = orjson.Fragment(row[name]) if row[name] else None
    if "flapping" in row:
        row["flapping"] = bool(row["flapping"])
    return row


def _verdict(row: Sequence[Any]) -> dict[str, Any]:
    """The row as a message: `previous` and `evidence`, stored as JSON, go through as they are."""
    verdict = dict(zip(VERDICT_COLUMNS, row, strict=True))
    for name in ("previous", "evidence"):
        verdict[name] = orjson.Fragment(verdict[name]) if verdict[name] else None
    return verdict


def _joined(head: list[Row], tail: list[Row]) -> list[Row]:
    """Steps of windows followed by steps of points; where both have a part of one step, their sum."""
    if head and tail and head[-1][0] == tail[0][0]:
        (t, mean, low, high, n), (_, mean2, low2, high2, n2) = head[-1], tail[0]
        both = (t, (mean * n + mean2 * n2) / (n + n2), min(low, low2), max(high, high2), n + n2)
        return [*head[:-1], both, *tail[1:]]
    return head + tail


VERDICT_COLUMNS = (
    "id", "tenant", "subject", "metric", "level", "priority", "reason", "previous", "value", "fast_value", "statistic", "window_ms",
    "bound", "side", "since", "evidence", "config",
)  # fmt: skip


class Listed(NamedTuple):
    """A table of what has a life: its columns as they are told, what names each, and by which time it is listed."""

    columns: tuple[str, ...]
    named: str
    at: str


LIVES = {
    "alerts": Listed(
        (
            "id", "alert_id", "tenant", "subject", "metric", "kind", "level", "priority", "state", "previous", "threshold", "side",
            "value", "statistic", "window_ms", "since", "first", "last", "group", "auto_actions", "voice_triggers", "chain", "step",
            "flapping", "resolution", "by", "why", "evidence", "config", "ts",
        ),
        "alert_id",
        "last",
    ),
    "actions": Listed(
        (
            "id", "action_id", "tenant", "subject", "action", "metric", "level", "state", "previous", "strength", "review", "effect",
            "until", "by", "why", "evidence", "config", "ts",
        ),
        "action_id",
        "ts",
    ),
}  # fmt: skip

_LIFE_TIMES = {
    name: f"toUnixTimestamp64Milli(x.{name}) AS {name}_ms" for name in ("since", "first", "last", "ts")
} | {"until": "if(isNull(x.until), NULL, toUnixTimestamp64Milli(assumeNotNull(x.until))) AS until_ms"}  # fmt: skip

_POSITION = "arrayMap(part -> toUInt64OrZero(part), arraySlice(splitByChar('-', id), 2, 3))"
"""An id begins with its place in the log: of one subject the greatest is the latest."""

_BEHIND = "(fromUnixTimestamp64Milli({behind:Int64}), {behind_id:String})"
"""The place of the last item of the page before, in a list that is ordered by a time and ids."""

_WHOSE = "tenant = {tenant:String} AND subject = {subject:String} AND metric = {metric:String}"

_SERIES_POINTS = f"""
SELECT intDiv(toUnixTimestamp64Milli(ts), {{step:Int64}}) * {{step:Int64}} AS t, avg(value), min(value), max(value), count()
FROM DB.points FINAL
WHERE {_WHOSE} AND ts >= fromUnixTimestamp64Milli({{since:Int64}}) AND ts < fromUnixTimestamp64Milli({{until:Int64}})
GROUP BY t ORDER BY t LIMIT {SERIES_POINTS}
"""  # noqa: S608 - what is put in is ours: the condition above and a number

_SERIES_WINDOWS = f"""
SELECT intDiv(toUnixTimestamp64Milli(start), {{step:Int64}}) * {{step:Int64}} AS t, sum(mean * count) / sum(count), min(min), max(max),
  sum(count), toUnixTimestamp64Milli(max(start)) + {{size:Int64}}
FROM DB.windows FINAL
WHERE {_WHOSE} AND size_ms = {{size:Int64}}
  AND start >= fromUnixTimestamp64Milli(intDiv({{since:Int64}}, {{step:Int64}}) * {{step:Int64}})
  AND start < fromUnixTimestamp64Milli({{until:Int64}})
GROUP BY t ORDER BY t LIMIT {SERIES_POINTS}
"""  # noqa: S608 - as above

_COLUMNS = ", ".join("toUnixTimestamp64Milli(since)" if name == "since" else name for name in VERDICT_COLUMNS)

_VERDICTS = f"SELECT {_COLUMNS} FROM DB.status FINAL WHERE CONDITION ORDER BY DB.status.since DESC, id DESC LIMIT {{limit:UInt32}}"  # noqa: S608

_VERDICT = f"SELECT {_COLUMNS} FROM DB.status WHERE id = {{id:String}} LIMIT 1"  # noqa: S608
