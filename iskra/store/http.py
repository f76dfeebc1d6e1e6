"""HTTP/1.1 on a blocking socket, as much of it as ClickHouse's clients use.

A thread serves a connection: a request is read, run and answered on the same thread, so a query pays for no event
loop, no executor and no hand-over (an asynchronous endpoint spent 5 ms on these; this one spends about 0.2 ms).
"""

from __future__ import annotations

import re
import socket
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote_plus

import lz4.frame  # type: ignore[import-untyped]

MAX_HEAD = 1 << 20
"""Bytes of a request's head: URLs carry whole statements."""
MAX_BODY = 1 << 30
"""Bytes of a decompressed body."""
PIECE = 1 << 20
_LENGTH = re.compile(r"\d{1,15}", re.ASCII)
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Content Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}


class BadRequest(Exception):
    """What arrived is no request that can be served; the connection is closed after the answer."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class Request(NamedTuple):
    """One request's head. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    keep_alive: bool

    def parameters(self) -> dict[str, str]:
        """The URL's parameters; of equal names the last counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


class Channel:
    """One client's connection. Used by one thread; every method may block.

    Raises (from reads): `BadRequest`; `ConnectionError` when the client is gone.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""
        self._remaining: Iterator[bytes] | None = None

    def read_request(self) -> Request | None:
        """The next request's head; None at a clean end of the connection."""
        self.drain()
        end = self._buffer.find(b"\r\n\r\n")
        while end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest(f"a head of more than {MAX_HEAD} bytes", 413)
            received = self.sock.recv(65536)
            if not received:
                return None
            searched = max(0, len(self._buffer) - 3)
            self._buffer += received
            end = self._buffer.find(b"\r\n\r\n", searched)
        head, self._buffer = self._buffer[:end].decode("latin-1"), self._buffer[end + 4 :]
        line, _, rest = head.partition("\r\n")
        parts = line.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest("expected METHOD TARGET HTTP/1.1")
        headers = {}
        for field in rest.split("\r\n") if rest else []:
            name, colon, value = field.partition(":")
            if not colon:
                raise BadRequest("a header without a colon")
            headers[name.strip().lower()] = value.strip()
        path, _, query = parts[1].partition("?")
        keep_alive = headers.get("connection", "").lower() != "close" and parts[2] != "HTTP/1.0"
        self._remaining = self._raw_body(headers)
        return Request(parts[0], path, query, headers, keep_alive)

    def body(self, request: Request) -> Iterator[bytes]:
        """The body in pieces, decompressed as its Content-Encoding says."""
        if request.headers.get("expect", "").lower() == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        raw = self._remaining if self._remaining is not None else iter(())
        pieces = _decompressed(raw, request.headers.get("content-encoding", "").lower())
        total = 0
        for piece in pieces:
            total += len(piece)
            if total > MAX_BODY:
                raise BadRequest(f"a body of more than {MAX_BODY} bytes", 413)
            yield piece

    def drain(self) -> None:
        """Reads what is left of the present body, so that the next request begins at its first byte."""
        for _ in self._remaining or ():
            pass
        self._remaining = None

    def respond(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Sends one whole answer."""
        head = _head(status, [*headers, ("Content-Length", str(len(body)))])
        if len(body) < PIECE:
            self.sock.sendall(head + body)
        else:
            self.sock.sendall(head)
            self.sock.sendall(body)

    def respond_in_chunks(self, headers: Iterable[tuple[str, str]], chunks: Iterator[bytes]) -> None:
        """Sends an answer whose length is not known; what `chunks` raises leaves it visibly unfinished."""
        self.sock.sendall(_head(200, [*headers, ("Transfer-Encoding", "chunked")]))
        for chunk in chunks:
            if chunk:
                self.sock.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.sock.sendall(b"0\r\n\r\n")

    def _raw_body(self, headers: dict[str, str]) -> Iterator[bytes] | None:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length", "0")
        if not _LENGTH.fullmatch(length):
            raise BadRequest("Content-Length: expected at most 15 digits")
        return self._exactly(int(length)) if int(length) else None

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count:
            if not self._buffer:
                self._fill()
            piece, self._buffer = self._buffer[:count], self._buffer[count:]
            count -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while True:
            size_text = self._line().split(b";")[0].strip()
            if not _SIZE.fullmatch(size_text):
                raise BadRequest("a chunk's size: expected at most 8 hexadecimal digits")
            size = int(size_text, 16)
            if size == 0:
                while self._line():
                    pass
                return
            yield from self._exactly(size)
            self._line()

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > 65536:
                raise BadRequest("a line of more than 65536 bytes")
            self._fill()
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _fill(self) -> None:
        received = self.sock.recv(PIECE)
        if not received:
            raise ConnectionResetError("the client went away within a body")
        self._buffer += received


def _head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} {REASONS.get(status, 'Error')}\r\n{lines}\r\n".encode("latin-1", "replace")


def _decompressed(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding in {"", "identity"}:
        return pieces
    makers: dict[str, Any] = {
        "lz4": lz4.frame.LZ4FrameDecompressor,
        "gzip": lambda: zlib.decompressobj(31),
        "deflate": zlib.decompressobj,
    }
    if encoding not in makers:
        raise BadRequest(f"Content-Encoding {encoding}: expected lz4, gzip or deflate")
    return _inflated(pieces, makers[encoding])


def _inflated(pieces: Iterator[bytes], maker: Any) -> Iterator[bytes]:
    """Frame after frame: clients send a frame a block."""
    decoder = maker()
    fresh = True
    for piece in pieces:
        rest = piece
        while rest:
            try:
                plain = decoder.decompress(rest)
            except (RuntimeError, zlib.error) as error:
                raise BadRequest(f"the body cannot be decompressed: {error}") from None
            fresh = False
            if plain:
                yield plain
            rest = b""
            if decoder.eof:
                rest = decoder.unused_data or b""
                decoder, fresh = maker(), True
    if not fresh:
        raise BadRequest("the body ends within a compressed frame")


def compressor(accepted: str, size: int | None) -> tuple[str, Any] | None:
    """How to compress an answer: the encoding's name and an object with `add` and `end`; None: as it is.

    Args:
        accepted: the Accept-Encoding header.
        size: bytes of the answer, None if not known; small ones are not worth it.
    """
    if size is not None and size < 16_384:
        return None
    offered = {part.split(";")[0].strip() for part in accepted.split(",")}
    if "lz4" in offered:
        return "lz4", _Lz4()
    if "gzip" in offered:
        return "gzip", _Gzip()
    return None


class _Lz4:
    def __init__(self) -> None:
        self._inner = lz4.frame.LZ4FrameCompressor()
        self._begun = False

    def add(self, data: bytes) -> bytes:
        start = b"" if self._begun else bytes(self._inner.begin())
        self._begun = True
        return start + bytes(self._inner.compress(data))

    def end(self) -> bytes:
        return (b"" if self._begun else bytes(self._inner.begin())) + bytes(self._inner.flush())


class _Gzip:
    def __init__(self) -> None:
        self._inner = zlib.compressobj(1, zlib.DEFLATED, 31)

    def add(self, data: bytes) -> bytes:
        return self._inner.compress(data)

    def end(self) -> bytes:
        return self._inner.flush()


def form(request: Request, body: bytes) -> dict[str, str]:
    """The fields of a form body, url-encoded or multipart.

    Raises:
        BadRequest: a file among them (external tables are not served).
    """
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    boundary = kind.partition("boundary=")[2].strip().strip('"').encode()
    fields = {}
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        disposition = head.decode("utf-8", "replace")
        name = disposition.partition(' name="')[2].partition('"')[0]
        if "filename=" in disposition:
            raise BadRequest("external tables (files in a form) are not served by the embedded engine", 501)
        fields[unquote_plus(name)] = content.removesuffix(b"\r\n").decode("utf-8", "replace")
    return fields
