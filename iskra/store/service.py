"""A request of ClickHouse's HTTP interface, answered by the engine.

Held to what unmodified clients rely on: the query in `?query=`, in the body or in both; settings and `param_NAME` as
parameters; data behind an INSERT; the format in `X-ClickHouse-Format`; on failure the code in
`X-ClickHouse-Exception-Code`, the text in the body, and a status that clients do not retry.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from iskra.store import http, sql
from iskra.store.auth import Role, Users
from iskra.store.engine import Engine, EngineError, Slot
from iskra.store.http import BadRequest, Channel, Request
from iskra.store.metrics import Metrics
from iskra.store.watch import Watch

TRANSPORT = frozenset(
    {
        "query",
        "database",
        "user",
        "password",
        "quota_key",
        "query_id",
        "session_id",
        "session_timeout",
        "session_check",
        "session_close",
        "role",
        "default_format",
        "compress",
        "decompress",
        "buffer_size",
        "wait_end_of_query",
        "stacktrace",
        "close_session",
        "client_protocol_version",
        "enable_http_compression",
        "add_http_cors_header",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "cancel_http_readonly_queries_on_client_close",
        "http_zlib_compression_level",
        "http_write_exception_in_output_format",
        "http_response_buffer_size",
        "http_wait_end_of_query",
        "log_comment",
    }
)
"""Parameters of a request that are about the transport, and so are nothing to the engine."""

STREAMABLE = frozenset(
    {"native", "rowbinary", "tabseparated", "tsv", "csv", "jsoneachrow", "ndjson", "jsonlines", "jsoncompacteachrow", "values"}
)
"""Formats whose blocks can be sent one behind another; others have a head and a foot around all rows."""

DEFAULT_DATABASE = "default"
AUTHENTICATION_FAILED, READONLY, ACCESS_DENIED, UNKNOWN_DATABASE, UNKNOWN_TABLE = 516, 164, 497, 81, 60
_STATUS = {AUTHENTICATION_FAILED: 403, ACCESS_DENIED: 403, READONLY: 403, UNKNOWN_DATABASE: 404, UNKNOWN_TABLE: 404}
_SESSION_ONLY = ("SET", "USE")
LARGE_BODY = 64 << 20
"""An insert's body up to this size is read before a connection of the engine is taken, so that a slow client holds none."""


class Refusal(Exception):
    """A request that does not reach the engine; `code` as ClickHouse numbers errors."""

    def __init__(self, code: int, text: str, name: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {text}. ({name})")
        self.code = code


class Service:
    """Answers requests; one object for all threads."""

    def __init__(self, engine: Engine, users: Users, metrics: Metrics, registry: CollectorRegistry) -> None:
        self._engine = engine
        self._users = users
        self._metrics = metrics
        self._registry = registry
        self._watch = Watch(engine.kill)
        self._log = structlog.get_logger("iskra.store")
        self.draining = False

    def serve(self, channel: Channel, request: Request) -> None:
        """Reads one request's body, runs it, answers.

        Raises:
            ConnectionError: the client is gone. BadRequest: answered by the caller, who then closes.
        """
        if request.path in {"/ping", "/replicas_status"}:
            channel.respond(503 if self.draining else 200, [("Content-Type", "text/plain")], b"Stopping.\n" if self.draining else b"Ok.\n")
        elif request.path == "/metrics":
            channel.respond(200, [("Content-Type", CONTENT_TYPE_LATEST)], generate_latest(self._registry))
        elif request.path != "/":
            channel.respond(
                404, [("Content-Type", "text/plain")], b"Not here: the query interface is at /, health at /ping, figures at /metrics.\n"
            )
        elif self.draining:
            channel.respond(503, [("Content-Type", "text/plain"), ("Retry-After", "1")], b"The store is stopping.\n")
        else:
            self._query(channel, request)

    def _query(self, channel: Channel, request: Request) -> None:
        started = time.perf_counter()
        parameters = request.parameters()
        query_id = parameters.get("query_id") or str(uuid.uuid4())
        common = [
            ("Content-Type", "text/plain; charset=UTF-8"),
            ("X-ClickHouse-Server-Display-Name", "iskra"),
            ("X-ClickHouse-Query-Id", query_id),
            ("X-ClickHouse-Timezone", "UTC"),
        ]
        kind, outcome = "query", "ok"
        try:
            role = self._users.role(request.headers, parameters)
            if role is None:
                raise Refusal(
                    AUTHENTICATION_FAILED,
                    "Authentication failed: password is incorrect, or there is no user with such name",
                    "AUTHENTICATION_FAILED",
                )
            kind = self._run(channel, request, parameters, role, query_id, common)
        except (EngineError, Refusal) as error:
            outcome = "error"
            channel.drain()
            headers = [*common, ("X-ClickHouse-Exception-Code", str(error.code))]
            channel.respond(_STATUS.get(error.code, 500), headers, f"{error} (version {self._engine.version})\n".encode())
        finally:
            self._metrics.queries.labels(kind, outcome).observe(time.perf_counter() - started)

    def _run(
        self, channel: Channel, request: Request, parameters: dict[str, str], role: Role, query_id: str, common: list[tuple[str, str]]
    ) -> str:
        if parameters.get("decompress", "0") != "0" or parameters.get("compress", "0") != "0":
            raise Refusal(
                48, "ClickHouse's own block compression is not served: use Content-Encoding and Accept-Encoding", "NOT_IMPLEMENTED"
            )
        body = channel.body(request)
        if request.headers.get("content-type", "").startswith(("multipart/form-data", "application/x-www-form-urlencoded")):
            parameters = {**parameters, **http.form(request, b"".join(body))}
            body = iter(())
        statement = parameters.get("query", "").strip()
        first = b"" if statement[:6].upper() == "INSERT" else _first(body, 65536)
        insert = sql.split_insert(statement or first.decode("latin-1"))
        settings = {name: value for name, value in parameters.items() if name not in TRANSPORT and not name.startswith("param_")}
        database = parameters.get("database") or request.headers.get("x-clickhouse-database") or DEFAULT_DATABASE
        if insert is not None:
            if role is not Role.PROGRAM:
                raise Refusal(READONLY, "Cannot execute query in readonly mode", "READONLY")
            data = b"" if statement else first[insert.data_at :]
            text = insert.statement.encode("latin-1").decode() if not statement else insert.statement
            pieces = itertools.chain([statement[insert.data_at :].encode() if statement else b"", data], body)
            self._insert(channel, text, insert.format, pieces, database, settings, query_id, common)
            return "insert"
        rest = b"".join([first, *body])
        text = _joined(statement, rest)
        self._answer(channel, request, text, parameters, role, database, settings, query_id, common)
        return "query"

    def _insert(
        self,
        channel: Channel,
        statement: str,
        input_format: str,
        pieces: Iterator[bytes],
        database: str,
        settings: dict[str, str],
        query_id: str,
        common: list[tuple[str, str]],
    ) -> None:
        held = _up_to(pieces, LARGE_BODY)
        # settings of one insert, its token above all, differ each time: they go with the statement, not to the connection
        if settings and " SETTINGS " not in statement.upper():
            statement += " SETTINGS " + ", ".join(
                f"{_plain(name)} = '{value}'" for name, value in ((k, _quote(v)) for k, v in settings.items())
            )
            settings = {}
        with self._engine.programs.lend(database, settings, query_id) as slot:
            started = time.perf_counter()
            result = slot.insert(statement, input_format, itertools.chain([held], pieces))
        self._metrics.inserted.inc(result.rows_written())
        summary = {
            "written_rows": str(result.rows_written()),
            "written_bytes": str(result.bytes_written()),
            "elapsed_ns": str(int((time.perf_counter() - started) * 1e9)),
        }
        channel.respond(200, [*common, ("X-ClickHouse-Summary", json.dumps(summary))], b"")

    def _answer(
        self,
        channel: Channel,
        request: Request,
        text: str,
        parameters: dict[str, str],
        role: Role,
        database: str,
        settings: dict[str, str],
        query_id: str,
        common: list[tuple[str, str]],
    ) -> None:
        if not text.strip():
            raise Refusal(62, "Empty query", "SYNTAX_ERROR")
        if text.lstrip()[:4].rstrip().upper() in _SESSION_ONLY:
            raise Refusal(
                48,
                "SET and USE last for one connection, and there are no sessions here: give settings and database as parameters",
                "NOT_IMPLEMENTED",
            )
        bound = {name[6:]: value for name, value in parameters.items() if name.startswith("param_")}
        output = sql.output_format(text, parameters.get("default_format") or request.headers.get("x-clickhouse-format") or "TabSeparated")
        if role is Role.READER:
            self._check_reader(text)
        # `readonly` would stick to the connection for good; what it asks for is held here
        read_only = role is Role.READER or request.method == "GET" or settings.pop("readonly", "0") != "0"
        killed = sql.killed_query(text) if role is Role.PROGRAM else None
        if killed is not None:
            found = self._engine.kill(killed)
            channel.respond(200, [*common, ("X-ClickHouse-Format", "TabSeparated")], f"waiting\t{killed}\n".encode() if found else b"")
            return
        pool = self._engine.people if role is Role.READER else self._engine.programs
        if role is Role.READER and database == DEFAULT_DATABASE:
            database = "system"  # an unqualified name in `default` may be a file
        accepted = request.headers.get("accept-encoding", "") if parameters.get("enable_http_compression", "0") != "0" else ""
        with pool.lend(database, settings, query_id) as slot:
            reads = slot.only_reads(text)
            if not reads and read_only:
                raise Refusal(READONLY, "Cannot execute query in readonly mode (GET and read-only users may only read)", "READONLY")
            headers = [*common, ("X-ClickHouse-Format", output)]
            if reads:
                with self._watch.cancel_when_gone(channel.sock, query_id):
                    self._read(channel, slot, text, output, parameters, bound, accepted, headers)
            else:
                result = slot.query(text, output, bound)
                self._whole(channel, result, accepted, headers)

    def _read(
        self,
        channel: Channel,
        slot: Slot,
        text: str,
        output: str,
        parameters: dict[str, str],
        bound: dict[str, str],
        accepted: str,
        headers: list[tuple[str, str]],
    ) -> None:
        if parameters.get("wait_end_of_query", "0") != "0" or output.lower() not in STREAMABLE:
            self._whole(channel, slot.query(text, output, bound), accepted, headers)
            return
        blocks = slot.stream(text, output, bound)
        try:
            first = next(blocks, None)
        except EngineError as error:
            if "Streaming query is not supported" not in str(error):
                raise
            first = None
        if first is None:
            # without rows a stream has no blocks, but the format's head may be wanted; SHOW CREATE cannot be streamed
            self._whole(channel, slot.query(text, output, bound), accepted, headers)
            return
        packing = http.compressor(accepted, None)
        tag = uuid.uuid4().hex[:16]
        headers = [*headers, ("X-ClickHouse-Exception-Tag", tag), *([("Content-Encoding", packing[0])] if packing else [])]
        channel.respond_in_chunks(headers, _packed(self._told(itertools.chain([first], blocks), tag), packing))

    def _told(self, blocks: Iterator[bytes], tag: str) -> Iterator[bytes]:
        """Blocks; an error between two is told in the stream, as ClickHouse does, and then breaks the answer off."""
        try:
            yield from blocks
        except EngineError as error:
            text = f"{error}\n".encode()
            yield b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag.encode(), text, len(text), tag.encode())
            raise ConnectionAbortedError("the query failed after its answer had begun") from error

    def _whole(self, channel: Channel, result: Any, accepted: str, headers: list[tuple[str, str]]) -> None:
        body = result.bytes()
        packing = http.compressor(accepted, len(body))
        if packing is not None:
            body = packing[1].add(body) + packing[1].end()
            headers = [*headers, ("Content-Encoding", packing[0])]
        summary = {
            "read_rows": str(result.rows_read()),
            "read_bytes": str(result.bytes_read()),
            "elapsed_ns": str(int(result.elapsed() * 1e9)),
        }
        channel.respond(200, [*headers, ("X-ClickHouse-Summary", json.dumps(summary))], body)

    def _check_reader(self, text: str) -> None:
        try:
            sql.check_reader(text, self._engine.refused_functions)
        except sql.Refused as error:
            raise Refusal(ACCESS_DENIED, f"Not enough privileges for {error}", "ACCESS_DENIED") from None


def _packed(blocks: Iterator[bytes], packing: tuple[str, Any] | None) -> Iterator[bytes]:
    if packing is None:
        yield from blocks
        return
    for block in blocks:
        yield packing[1].add(block)
    yield packing[1].end()


def _first(body: Iterator[bytes], wanted: int) -> bytes:
    """The beginning of a body: at least `wanted` bytes unless it is shorter; the rest stays in the iterator."""
    parts: list[bytes] = []
    size = 0
    while size < wanted and (piece := next(body, None)) is not None:
        parts.append(piece)
        size += len(piece)
    return b"".join(parts)


def _up_to(pieces: Iterator[bytes], limit: int) -> bytes:
    return _first(pieces, limit)


def _joined(statement: str, rest: bytes) -> str:
    try:
        text = rest.decode()
    except UnicodeDecodeError:
        raise BadRequest("a statement that is no UTF-8") from None
    return f"{statement}\n{text}" if statement and text else statement or text


def _plain(name: str) -> str:
    if not name.isidentifier():
        raise Refusal(115, f"Unknown setting '{name[:60]}'", "UNKNOWN_SETTING")
    return name


def _quote(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
