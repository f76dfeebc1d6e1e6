"""What can be asked about the living part: who speaks, which alerts are open, which actions are under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from litestar import MediaType, Response, Router, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter

from gateway.errors import Problem, asking, problem
from gateway.keys import SubjectKey
from gateway.living import Life
from gateway.paging import Cursor, Namespace, asked, cursor_of, history_page, named_of, opened, place_of
from gateway.queries import LIVES
from schemas import events
from schemas.points import MAX_TS_MS

if TYPE_CHECKING:
    from gateway.app import Gateway

LIMIT = 500

Tenant = Annotated[str | None, Parameter(description="Left out: all.", max_length=128)]
Subject = Annotated[str | None, Parameter(description="Left out: all.", max_length=128)]
Limit = Annotated[int, Parameter(ge=1, le=LIMIT)]
AlertState = Literal["pending", "firing", "acknowledged", "silenced"]
ActionState = Literal["approved", "awaiting_approval", "dispatched", "acknowledged"]

Before = Annotated[
    int | None, Parameter(ge=0, le=MAX_TS_MS, description="Only older ones, epoch milliseconds; left out: from the newest on.")
]

_AWAY = {503: ResponseSpec(Problem, description="ClickHouse is away", generate_examples=False)}
_UNREAD = {503: ResponseSpec(Problem, description="Kafka was not read to its end yet", generate_examples=False)}

Item = tuple[tuple[str, ...], Callable[[], bytes]]
"""What names an item, and how its JSON is made."""


def _page(items: Iterator[Item], limit: int, cursor: str | None, parts: int) -> Response[bytes]:
    """One page of items that come in the order of their names."""
    last = None if cursor is None else opened(cursor, parts)
    found = list(items)
    rest = found if last is None else [item for item in found if item[0] > last]
    page = rest[:limit]
    following = msgspec.json.encode(cursor_of(page[-1][0]) if len(rest) > limit else None)
    body = b'{"items":[%b],"next":%b,"total":%d}' % (b",".join(make() for _, make in page), following, len(found))
    return Response(body, media_type=MediaType.JSON)


def routes(gateway: Gateway) -> list[Router]:
    """The handlers of what reads the living part."""
    world = gateway.world

    def lives(namespace: str | None, tenant: str | None, subject: str | None) -> Iterator[tuple[SubjectKey, Life]]:
        if not gateway.state_feed.lives_caught_up.is_set():
            raise problem(503, "kafka: what lives was not read yet", 1)
        where = named_of(gateway.settings.namespaces, namespace)
        prefix = (where,) if tenant is None else (where, tenant) if subject is None else (where, tenant, subject)
        for key in world.living(*prefix):
            if subject is None or key.subject == subject:
                yield key, world.lives[key]

    def speaking(namespace: str | None, tenant: str | None, subject: str | None, active: bool | None) -> Iterator[Item]:
        for key, life in lives(namespace, tenant, subject):
            voices = life.voices
            if voices is not None and (active is None or bool(voices.active) == active):
                yield (key.tenant, key.subject), partial(_voices_of, key, life)

    def alerts(found: Iterator[tuple[SubjectKey, Life]], state: str | None, priority: str | None) -> Iterator[Item]:
        for key, life in found:
            for named, alert in sorted(life.alerts.items()):
                last = alert.last
                if last is not None and state in (None, last.state) and priority in (None, last.priority):
                    yield (key.tenant, key.subject, named), partial(alert.json, world.plans)

    def actions(found: Iterator[tuple[SubjectKey, Life]], state: str | None) -> Iterator[Item]:
        for key, life in found:
            for named, action in sorted(life.actions.items()):
                if state in (None, action.state):
                    yield (key.tenant, key.subject, named), action.json

    @get(
        "/api/voices/status",
        summary="Who speaks",
        description="Leading, active, queued and muted voices of each subject whose voices have ever spoken, by tenant and subject.",
        tags=["state"],
        responses=_UNREAD,
        sync_to_thread=False,
        media_type=MediaType.JSON,
    )
    def voices_status(
        namespace: Namespace = None,
        tenant: Tenant = None,
        subject: Subject = None,
        active: Annotated[bool | None, Parameter(description="Only those in whom somebody speaks, or nobody.")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        return _page(speaking(namespace, tenant, subject, active), limit, cursor, 2)

    async def past(
        what: str, namespace: str | None, limit: int, before: int | None, cursor: str | None, **where: str | None
    ) -> Response[bytes]:
        bound: dict[str, Any] = {name: value for name, value in where.items() if value is not None}
        bound["before"] = MAX_TS_MS if before is None else before
        where_asked = named_of(gateway.settings.namespaces, namespace)
        found = await asked(gateway.queries.past(where_asked, what, bound, limit + 1, place_of(cursor)))
        return Response(history_page(found, limit, LIVES[what].at), media_type=MediaType.JSON)

    @get(
        "/api/v1/alerts/past",
        summary="History of alerts",
        description="The last state of each, by the time `last`, newest first; `next` is the `cursor` of the page that follows.",
        tags=["history"],
        responses=_AWAY,
    )
    async def past_alerts(
        namespace: Namespace = None,
        tenant: Tenant = None,
        subject: Subject = None,
        only: Annotated[AlertState | Literal["resolved"] | None, Parameter(query="state")] = None,
        priority: Literal["P0", "P1", "P2"] | None = None,
        limit: Limit = 50,
        before: Before = None,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        return await past("alerts", namespace, limit, before, cursor, tenant=tenant, subject=subject, state=only, priority=priority)

    @get(
        "/api/v1/actions/past",
        summary="History of actions",
        description="The last state of each, by the time `ts`, newest first; `next` is the `cursor` of the page that follows.",
        tags=["history"],
        responses=_AWAY,
    )
    async def past_actions(
        namespace: Namespace = None,
        tenant: Tenant = None,
        subject: Subject = None,
        only: Annotated[events.ActionState | None, Parameter(query="state")] = None,
        limit: Limit = 50,
        before: Before = None,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        return await past("actions", namespace, limit, before, cursor, tenant=tenant, subject=subject, state=only)

    @get(
        "/api/v1/alerts",
        summary="Open alerts",
        description="Those that are not resolved, by tenant, subject and id, each with the steps of its chain and what is `next`.",
        tags=["state"],
        responses=_UNREAD,
        sync_to_thread=False,
        media_type=MediaType.JSON,
    )
    def open_alerts(
        namespace: Namespace = None,
        tenant: Tenant = None,
        subject: Subject = None,
        only: Annotated[AlertState | None, Parameter(query="state")] = None,
        priority: Literal["P0", "P1", "P2"] | None = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        return _page(alerts(lives(namespace, tenant, subject), only, priority), limit, cursor, 3)

    @get(
        "/api/v1/actions",
        summary="Actions under way",
        description="Those whose life is not over, by tenant, subject and id, each with the states that it went through.",
        tags=["state"],
        responses=_UNREAD,
        sync_to_thread=False,
        media_type=MediaType.JSON,
    )
    def open_actions(
        namespace: Namespace = None,
        tenant: Tenant = None,
        subject: Subject = None,
        only: Annotated[ActionState | None, Parameter(query="state")] = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Response[bytes]:
        return _page(actions(lives(namespace, tenant, subject), only), limit, cursor, 3)

    return [asking([voices_status, open_alerts, open_actions, past_alerts, past_actions])]


def _voices_of(key: SubjectKey, life: Life) -> bytes:
    named: dict[str, Any] = {"namespace": key.namespace, "tenant": key.tenant, "subject": key.subject}
    return msgspec.json.encode(named)[:-1] + b"," + life.voices_json()[1:]
