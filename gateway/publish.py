"""`POST /api/v1/points`: points into the log, "accepted" once the broker has acknowledged."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import structlog
from litestar import Request, Response, post
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from gateway.errors import Problem, problem
from gateway.intake import Intake, Letter, Rejected, Sorted, TooMany, Unreadable, letter
from gateway.ledger import Away, Busy, Ledger, Record
from gateway.metrics import Metrics
from gateway.parts import Part
from gateway.settings import Limits
from schemas.config import Config
from schemas.topics import DEAD_LETTERS, HEADER_BY, HEADER_ID, POINTS, full_name

log = structlog.get_logger()

RETRY_AFTER_S = 1
BY = b"gateway"
"""No engine wrote these letters: they have no place in the order of its outputs, and no recomputation knows them."""
JSON_TYPES = ("application/json",)
LINES_TYPES = ("application/x-ndjson", "application/ndjson", "application/jsonl")


class Published(msgspec.Struct, frozen=True):
    """How many points the broker acknowledged, and what was refused (it also stands on the topic `dead-letters`)."""

    accepted: int
    rejected: list[Rejected]


@dataclass
class Publisher:
    """Publishing with its limits. `intake` is renewed when the configuration or the number of partitions changes.

    `requests` wait for the broker; `size` are the bytes of bodies that wait or are still arriving.
    """

    namespace: str
    ledger: Ledger
    kafka: Part
    metrics: Metrics
    limits: Limits
    config: Config
    requests: int = 0
    size: int = 0
    _intake: Intake | None = None
    _made_for: tuple[int, int] = (0, 0)
    _tokens: float = 0.0
    _refilled: float = field(default_factory=time.monotonic)

    def intake(self) -> Intake:
        """The intake for the present configuration.

        Raises:
            HTTPException: 503, the broker was not heard of yet.
        """
        partitions = self.ledger.partitions
        if partitions == 0 or self.kafka.up is False:
            raise away(self.kafka.detail)
        made_for = (id(self.config), partitions)
        if self._intake is None or made_for != self._made_for:
            self._intake, self._made_for = Intake(self.config, partitions), made_for
        return self._intake

    def spend(self, points: int) -> None:
        """Takes so many points from the rate that is allowed.

        Raises:
            HTTPException: 429 with the seconds after which they fit.
        """
        rate = self.limits.points_per_s
        if not rate:
            return
        now = time.monotonic()
        self._tokens = min(float(rate), self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        if self._tokens <= 0:
            raise problem(429, f"more than {rate} points/s", int(1 + -self._tokens / rate))
        self._tokens -= points  # may go below zero: a batch larger than a second's worth is taken, and waited for

    async def publish(self, body: bytes, lines: bool) -> Published:
        """Sorts a body, sends it, waits for the broker.

        Raises:
            HTTPException: 413, 422, 429 or 503.
        """
        try:
            found = self.intake().sort(body, lines)
        except TooMany as error:
            raise problem(413, str(error)) from None
        except Unreadable as error:
            self.metrics.rejected.labels("undecodable").inc()
            await self._tell_unreadable(body, str(error))
            raise problem(422, str(error)) from None
        self.spend(found.accepted)
        for item in found.rejected:
            self.metrics.rejected.labels(item.reason).inc()
        await self._append(self._records(found))
        self.metrics.accepted.inc(found.accepted)
        return Published(found.accepted, found.rejected)

    async def _append(self, records: list[Record]) -> None:
        try:
            await self.ledger.append(records, self.limits.ack)
        except Busy:
            raise problem(429, "too many points wait for the broker", RETRY_AFTER_S) from None
        except Away as error:
            self.kafka.suspect()
            raise away(str(error)) from None

    async def _tell_unreadable(self, body: bytes, detail: str) -> None:
        # the client learns of it anyway; a broker that is away now must not turn its mistake into our failure
        try:
            await self.ledger.append(
                [self._dead(letter(secrets.token_hex(8), 0, "undecodable", detail, (None,) * 3, body))], self.limits.ack
            )
        except (Busy, Away) as error:
            log.warning("an unreadable body is told to its sender alone", error=str(error))

    def _records(self, found: Sorted) -> list[Record]:
        topic = full_name(self.namespace, POINTS)
        records = [Record(topic, array.partition, array.key, array.value, []) for array in found.arrays]
        return records + [self._dead(each) for each in found.letters]

    def _dead(self, dead: Letter) -> Record:
        return Record(full_name(self.namespace, DEAD_LETTERS), -1, dead.key, dead.value, [(HEADER_ID, dead.identity), (HEADER_BY, BY)])


def away(detail: str) -> HTTPException:
    """503: the broker is away."""
    return problem(503, f"kafka: {detail or 'away'}", RETRY_AFTER_S)


def kind_of(content_type: str, encoding: str) -> bool:
    """Whether a body is NDJSON (else JSON).

    Raises:
        HTTPException: 415, neither.
    """
    kind, _, parameters = content_type.lower().partition(";")
    kind = kind.strip()
    charset = parameters.strip()
    if encoding not in ("", "identity") or (
        charset.startswith("charset") and charset.replace('"', "") not in ("charset=utf-8", "charset=utf8")
    ):
        raise problem(415, "expected an uncompressed body in UTF-8", unread=True)
    if kind in LINES_TYPES:
        return True
    if kind in JSON_TYPES:
        return False
    detail = f"expected Content-Type application/json or application/x-ndjson, got {kind[:80] or 'none'}"
    raise problem(415, detail, unread=True)


@asynccontextmanager
async def received(publisher: Publisher, request: Request[Any, Any, Any], limit: int) -> AsyncIterator[bytes]:
    """The body, read no further than `limit` bytes; as it arrives and until the end of the block it counts in `publisher.size`.

    Raises:
        HTTPException: 413, it is longer; 408, it does not come to its end; 429, with others it is too much.
    """
    limits = publisher.limits
    told = request.headers.get("content-length", "")
    if told.isascii() and told.isdecimal() and int(told) > limit:
        raise problem(413, f"body of {told} bytes, at most {limit}", unread=True)
    chunks: list[bytes] = []
    size = 0
    try:
        try:
            async with asyncio.timeout(limits.receive):
                async for chunk in request.stream():
                    size += len(chunk)
                    publisher.size += len(chunk)
                    if size > limit:
                        raise problem(413, f"body longer than {limit} bytes", unread=True)
                    if publisher.size > limits.in_flight_bytes:
                        raise problem(429, "too many bytes at once", RETRY_AFTER_S, unread=True)
                    chunks.append(chunk)
        except TimeoutError:
            raise problem(408, f"the body did not arrive within {limits.receive:g} s", unread=True) from None
        yield b"".join(chunks)
    finally:
        publisher.size -= size


class _PublishOperation(Operation):
    def __post_init__(self) -> None:
        point = Schema(
            type=OpenAPIType.OBJECT,
            required=["subject", "metric", "value", "ts"],
            properties={
                "tenant": Schema(type=OpenAPIType.STRING, default="default", max_length=128),
                "subject": Schema(type=OpenAPIType.STRING, max_length=128),
                "metric": Schema(type=OpenAPIType.STRING, pattern="^[a-z][a-z0-9_]{0,63}$"),
                "value": Schema(type=OpenAPIType.NUMBER, description="Finite, at most 10⁹; 0 to 1 for the vitals."),
                "ts": Schema(
                    one_of=[Schema(type=OpenAPIType.INTEGER), Schema(type=OpenAPIType.STRING)],
                    description="Epoch milliseconds, or RFC 3339 with a zone.",
                ),
                "source": Schema(type=OpenAPIType.STRING, max_length=128),
            },
        )
        example = {"subject": "alpha", "metric": "clarity", "value": 0.81, "ts": 1762435106000}
        several = Schema(one_of=[point, Schema(type=OpenAPIType.ARRAY, items=point, max_items=10_000)])
        self.request_body = RequestBody(
            required=True,
            description="One point, an array of up to 10,000, or one point a line; at most 8 MiB.",
            content={
                "application/json": OpenAPIMediaType(schema=several, example=[example]),
                "application/x-ndjson": OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING), example='{"subject":"alpha",…}\n'),
            },
        )


def route(publisher: Publisher) -> HTTPRouteHandler:
    """The handler of `POST /api/v1/points`."""
    limits = publisher.limits

    @post(
        "/api/v1/points",
        status_code=202,
        request_max_body_size=None,  # the stream is measured while it is read
        operation_class=_PublishOperation,
        summary="Publish points",
        description="Answers once the broker has acknowledged. Refused items are listed with their place and reason; the rest goes on.",
        tags=["points"],
        responses={
            408: ResponseSpec(Problem, description="The body did not arrive", generate_examples=False),
            413: ResponseSpec(Problem, description="Longer than 8 MiB, or more than 10,000 points", generate_examples=False),
            415: ResponseSpec(Problem, description="Neither JSON nor NDJSON", generate_examples=False),
            422: ResponseSpec(Problem, description="Cannot be read as a whole", generate_examples=False),
            429: ResponseSpec(Problem, description="Too much at once; see Retry-After", generate_examples=False),
            503: ResponseSpec(Problem, description="Kafka is away; nothing was acknowledged; see Retry-After", generate_examples=False),
        },
    )
    async def publish(request: Request[Any, Any, Any]) -> Response[Published]:
        headers = request.headers
        lines = kind_of(headers.get("content-type", ""), headers.get("content-encoding", ""))
        async with received(publisher, request, limits.body) as body:
            if publisher.requests >= limits.in_flight_requests:
                raise problem(429, "too many requests at once", RETRY_AFTER_S)
            publisher.requests += 1
            publisher.metrics.in_flight.set(publisher.requests)
            try:
                return Response(await publisher.publish(body, lines))
            finally:
                publisher.requests -= 1
                publisher.metrics.in_flight.set(publisher.requests)

    return publish
