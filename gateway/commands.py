"""`POST /api/v1/commands`: what a person wants done, as a record among the subject's points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from litestar import Request, Response, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from gateway.errors import Problem, problem
from gateway.ledger import Away, Busy, Record
from gateway.paging import Namespace, named_of
from gateway.publish import RETRY_AFTER_S, Publisher, away, kind_of, received
from schemas.commands import MAX_TEXT, Command, decode_command, encode_command
from schemas.partitioning import partition_for, subject_key
from schemas.points import BadPoint, is_entity_name
from schemas.topics import HEADER_KIND, KIND_COMMAND, LIVE_NAMESPACE, POINTS, full_name

MAX_BODY = 16_384
_FIELD = re.compile(r"^(\w+): |field `(\w+)`|`\$\.(\w+)`")


class Taken(msgspec.Struct, frozen=True):
    """Where the command stands in the log. What follows from it has an id that begins `PARTITION-OFFSET-`."""

    topic: str
    partition: int
    offset: int


def read_command(body: bytes) -> Command:
    """The command of a body.

    Raises:
        HTTPException: 422, with the field and what was expected of it.
    """
    try:
        command = decode_command(body)
    except BadPoint as error:
        text = str(error)
        found = _FIELD.search(text)
        raise _refused(next(filter(None, found.groups()), None) if found else None, text) from None
    for field in ("tenant", "subject"):
        if not is_entity_name(getattr(command, field)):
            raise _refused(field, f"{field}: expected 1 to 128 letters, digits and . _ : -")
    if not command.who.strip():
        raise _refused("who", "who: expected the name of who acts")
    return command


def _refused(field: str | None, text: str) -> HTTPException:
    return HTTPException(detail=text, status_code=422, extra={"field": field, "reason": text.removeprefix(f"{field}: ")})


async def append(publisher: Publisher, command: Command, namespace: str, others: Mapping[str, int]) -> Taken:
    """Writes a command to the log of a namespace and waits for the broker; `others`: partitions of namespaces beside the first.

    Raises:
        HTTPException: 429 or 503.
    """
    # of the first the ledger knows that each partition has its log, too
    partitions = publisher.ledger.partitions if namespace == publisher.namespace else others.get(namespace, 0)
    if partitions == 0 or publisher.kafka.up is False:
        raise away(publisher.kafka.detail)
    key = subject_key(command.tenant, command.subject)
    topic, partition = full_name(namespace, POINTS), partition_for(key, partitions)
    try:
        # beside the live one time is virtual: a command stands at the time at which its partition stands
        timestamp = 0 if namespace == LIVE_NAMESPACE else await publisher.ledger.end_time(topic, partition)
        record = Record(topic, partition, key, encode_command(command), [(HEADER_KIND, KIND_COMMAND)], timestamp)
        offset = await publisher.ledger.append([record], publisher.limits.ack)
    except Busy:
        raise problem(429, "too much waits for the broker", RETRY_AFTER_S) from None
    except Away as error:
        publisher.kafka.suspect()
        raise away(str(error)) from None
    publisher.metrics.commands.labels(type(command).__struct_config__.tag).inc()
    return Taken(topic, partition, offset)


class _CommandOperation(Operation):
    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING, max_length=128)
        names = [kind.__struct_config__.tag for kind in get_args(Command)]
        schema = Schema(
            type=OpenAPIType.OBJECT,
            required=["command", "subject", "who"],
            properties={
                "command": Schema(type=OpenAPIType.STRING, enum=names),
                "tenant": Schema(type=OpenAPIType.STRING, default="default", max_length=128),
                "subject": text,
                "who": text,
                "why": Schema(type=OpenAPIType.STRING, default="", max_length=MAX_TEXT),
                "ts": Schema(type=OpenAPIType.INTEGER, description="Only told; the log's order counts."),
                "alert_id": Schema(type=OpenAPIType.STRING, description="Of acknowledge_alert and resolve_alert."),
                "action_id": Schema(type=OpenAPIType.STRING, description="Of approve_action, refuse_action and acknowledge_action."),
                "voice": Schema(type=OpenAPIType.STRING, description="Of acknowledge_voice, mute_voice and unmute_voice."),
            },
        )
        example = {"command": "acknowledge_alert", "subject": "alpha", "alert_id": "3-88417-0-1-b16473ec85fa7cb5", "who": "ada", "why": ""}
        self.request_body = RequestBody(
            required=True,
            description="Who wants what done. It takes effect when the engine comes to it; what makes no sense then is a dead letter.",
            content={"application/json": OpenAPIMediaType(schema=schema, example=example)},
        )


def route(publisher: Publisher, namespaces: tuple[str, ...], partitions: Mapping[str, int]) -> HTTPRouteHandler:
    """The handler of `POST /api/v1/commands`; `partitions` of each namespace that is known."""

    @post(
        "/api/v1/commands",
        status_code=202,
        request_max_body_size=None,  # the stream is measured while it is read
        operation_class=_CommandOperation,
        summary="Give a command",
        description="Answers once the broker has acknowledged, with the command's place in the log.",
        tags=["commands"],
        responses={
            408: ResponseSpec(Problem, description="The body did not arrive", generate_examples=False),
            404: ResponseSpec(Problem, description="No such namespace", generate_examples=False),
            413: ResponseSpec(Problem, description="Longer than 16 KiB", generate_examples=False),
            415: ResponseSpec(Problem, description="Not JSON", generate_examples=False),
            422: ResponseSpec(Problem, description="No command; `extra` tells field and reason", generate_examples=False),
            429: ResponseSpec(Problem, description="Too much at once; see Retry-After", generate_examples=False),
            503: ResponseSpec(Problem, description="Kafka is away; nothing was acknowledged; see Retry-After", generate_examples=False),
        },
    )
    async def command(request: Request[Any, Any, Any], namespace: Namespace = None) -> Response[Taken]:
        headers = request.headers
        if kind_of(headers.get("content-type", ""), headers.get("content-encoding", "")):
            raise problem(415, "expected Content-Type application/json", unread=True)
        async with received(publisher, request, MAX_BODY) as body:
            where = named_of(namespaces, namespace)
            return Response(await append(publisher, read_command(body), where, partitions))

    return command
