"""What can be asked: the present state (from memory), history and evidence (from ClickHouse)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import orjson
from litestar import MediaType, Response, Router, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from gateway.errors import Problem, asking, problem
from gateway.keys import Key
from gateway.paging import Cursor, Namespace, asked, cursor_of, history_page, named_of, opened, place_of
from gateway.queries import SERIES_POINTS, default_step
from gateway.settings import Explanation
from schemas.points import MAX_TS_MS

if TYPE_CHECKING:
    from gateway.app import Gateway

STATUS_LIMIT = 1000
VERDICTS_LIMIT = 500
EXPLAIN_S = 60.0
MONTH_MS = 31 * 86_400_000

Tenant = Annotated[str | None, Parameter(description="Left out: all.", max_length=128)]
Subject = Annotated[str | None, Parameter(description="Left out: all.", max_length=128)]
_AWAY = {503: ResponseSpec(Problem, description="ClickHouse is away", generate_examples=False)}


class Series(msgspec.Struct, frozen=True):
    """Steps that hold points, in order: start (ms), mean, min, max, count; `step` in ms."""

    step: int
    points: list[tuple[int, float, float, float, int]]


def json_response(body: bytes) -> Response[bytes]:
    """JSON that is encoded already."""
    return Response(body, media_type=MediaType.JSON)


def routes(gateway: Gateway) -> list[Router]:
    """The handlers of everything that reads."""
    names = gateway.settings.namespaces
    world = gateway.world
    queries = gateway.queries

    def named(namespace: str | None) -> str:
        return named_of(names, namespace)

    @get(
        "/api/slo/status",
        summary="Present state",
        description="The latest status of each metric, by tenant, subject and metric; `next` is the cursor of the following page.",
        tags=["state"],
        responses={503: ResponseSpec(Problem, description="Kafka was not read to its end yet", generate_examples=False)},
        sync_to_thread=False,
        media_type=MediaType.JSON,
    )
    def status(
        namespace: Namespace = None,
        tenant: Tenant = None,
        subject: Subject = None,
        level: Literal["OK", "WARN", "BLOCK", "UNKNOWN"] | None = None,
        limit: Annotated[int, Parameter(ge=1, le=STATUS_LIMIT)] = 100,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        if not gateway.state_feed.caught_up.is_set():
            raise problem(503, "kafka: the present state was not read yet", 1)
        where = named(namespace)
        if tenant is None:
            keys = [key for key in world.range(where) if subject is None or key.subject == subject]
        else:
            keys = world.range(where, tenant) if subject is None else world.range(where, tenant, subject)
        if level is not None:
            keys = [key for key in keys if world.statuses[key].level == level]
        total = len(keys)
        if cursor is not None:
            last = Key(where, *opened(cursor, 3))
            keys = [key for key in keys if key > last]
        page = keys[:limit]
        items = b",".join(world.statuses[key].full for key in page)
        following = msgspec.json.encode(cursor_of(page[-1][1:]) if len(keys) > limit else None)
        return json_response(b'{"items":[%b],"next":%b,"total":%d}' % (items, following, total))

    @get(
        "/api/v1/series",
        summary="History of one metric",
        description=f"Times in ms; `step` is chosen for about 900 steps if left out. At most {SERIES_POINTS} steps an answer.",
        tags=["history"],
        responses=_AWAY,
    )
    async def series(
        subject: Annotated[str, Parameter(max_length=128)],
        metric: Annotated[str, Parameter(max_length=64)],
        namespace: Namespace = None,
        tenant: Annotated[str, Parameter(max_length=128)] = "default",
        since: Annotated[int | None, Parameter(query="from", ge=0, le=MAX_TS_MS, description="Left out: 15 minutes before `to`.")] = None,
        until: Annotated[int | None, Parameter(query="to", ge=0, le=MAX_TS_MS, description="Left out: now.")] = None,
        step: Annotated[int | None, Parameter(ge=100, le=MONTH_MS)] = None,
    ) -> Series:
        end = int(time.time() * 1000) if until is None else until
        begin = max(0, end - 900_000) if since is None else since
        if begin >= end:
            raise problem(400, "from: expected a time before `to`")
        step = default_step(begin, end) if step is None else step
        if (end - begin) // step > SERIES_POINTS:
            raise problem(
                400, f"step: more than {SERIES_POINTS} steps between from and to; the least is {-(-(end - begin) // SERIES_POINTS)}"
            )
        rows = await asked(queries.series(named(namespace), tenant, subject, metric, begin, end, step))
        return Series(step, rows)

    @get(
        "/api/v1/verdicts",
        summary="History of verdicts",
        description="Newest first, by `since`; `next` is the cursor of the page that follows.",
        tags=["history"],
        responses=_AWAY,
    )
    async def verdicts(
        namespace: Namespace = None,
        tenant: Tenant = None,
        subject: Subject = None,
        limit: Annotated[int, Parameter(ge=1, le=VERDICTS_LIMIT)] = 50,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        where = named(namespace)
        found = await asked(queries.verdicts(where, tenant, subject, limit + 1, place_of(cursor)))
        return json_response(history_page([_verdict(where, row) for row in found], limit, "since"))

    @get(
        "/api/v1/verdicts/{identity:str}",
        summary="One verdict with its evidence",
        tags=["history"],
        responses={404: ResponseSpec(Problem, description="No such verdict", generate_examples=False), **_AWAY},
    )
    async def verdict(identity: Annotated[str, Parameter(max_length=128)], namespace: Namespace = None) -> Response[bytes]:
        where = named(namespace)
        recent = world.recent.get((where, identity))
        if recent is not None:  # the sink may be some hundred ms behind
            return json_response(recent)
        row = await asked(queries.verdict(where, identity))
        if row is None:
            raise problem(404, "no verdict of that id")
        return json_response(orjson.dumps(_verdict(where, row)))

    @get(
        "/api/v1/verdicts/{identity:str}/explain",
        summary="Recompute a verdict from the log",
        description="Gives the partition's log to the engine alone, up to the verdict, and compares. Takes seconds; of a long log more.",
        tags=["history"],
        responses={
            404: ResponseSpec(Problem, description="No such verdict", generate_examples=False),
            501: ResponseSpec(Problem, description="This gateway runs without the engine", generate_examples=False),
            503: ResponseSpec(
                Problem, description="Kafka is away, another is explained, or a minute was too short", generate_examples=False
            ),
        },
    )
    async def explain(identity: Annotated[str, Parameter(max_length=128)], namespace: Namespace = None) -> Explanation:
        function = gateway.settings.explain
        if function is None:
            raise problem(501, "this gateway runs without the engine; use `iskra explain ID`")
        where = named(namespace)
        if gateway.explanation is not None and not gateway.explanation.done():
            raise problem(503, "another verdict is being explained", 2)
        explanation = gateway.explanation = asyncio.ensure_future(function(where, identity))
        try:
            return await asyncio.wait_for(explanation, EXPLAIN_S)
        except TimeoutError:
            raise problem(503, f"not recomputed within {EXPLAIN_S:g} s; `iskra explain {identity}` takes its time", 60) from None
        except asyncio.CancelledError:
            if explanation.cancelled():
                raise problem(503, "the gateway stops", 5) from None
            raise
        except LookupError as error:
            raise problem(404, str(error) or "no verdict of that id") from None
        except ConnectionError as error:
            raise problem(503, f"kafka: {error}", 1) from None

    return [asking([status, series, verdicts, verdict, explain])]


def _verdict(namespace: str, row: dict[str, Any]) -> dict[str, Any]:
    return {"namespace": namespace, **row}
