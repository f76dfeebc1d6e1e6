"""Records as other clients can write them and ours cannot: with names of headers that are no UTF-8. By librdkafka itself."""

from __future__ import annotations

import ctypes as c
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import confluent_kafka

TOPIC, PARTITION, VALUE, KEY, FLAGS, HEADER = 1, 3, 4, 5, 7, 9
"""Kinds of arguments of `rd_kafka_produceva`."""
PRODUCER, COPY = 0, 2
FLUSH_MS = 30_000


class _Bytes(c.Structure):
    _fields_ = (("data", c.c_char_p), ("size", c.c_size_t))


class _Header(c.Structure):
    _fields_ = (("name", c.c_char_p), ("data", c.c_char_p), ("size", c.c_ssize_t))


class _Of(c.Union):
    _fields_ = (("text", c.c_char_p), ("number", c.c_int32), ("bytes", _Bytes), ("header", _Header), ("room", c.c_char * 64))


class _Argument(c.Structure):
    _fields_ = (("kind", c.c_int), ("of", _Of))


def _library() -> Any:
    found = next((Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs").glob("librdkafka*"))
    library = c.CDLL(str(found))
    for name, result, arguments in (
        ("rd_kafka_conf_new", c.c_void_p, ()),
        ("rd_kafka_conf_set", c.c_int, (c.c_void_p, c.c_char_p, c.c_char_p, c.c_char_p, c.c_size_t)),
        ("rd_kafka_new", c.c_void_p, (c.c_int, c.c_void_p, c.c_char_p, c.c_size_t)),
        ("rd_kafka_produceva", c.c_void_p, (c.c_void_p, c.POINTER(_Argument), c.c_size_t)),
        ("rd_kafka_flush", c.c_int, (c.c_void_p, c.c_int)),
        ("rd_kafka_destroy", None, (c.c_void_p,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class RawProducer:
    """A producer whose headers have names of any bytes but NUL."""

    def __init__(self, kafka: str) -> None:
        self._library = _library()
        self._said = c.create_string_buffer(512)
        conf = self._library.rd_kafka_conf_new()
        for name, value in ((b"bootstrap.servers", kafka.encode()), (b"linger.ms", b"50")):
            assert self._library.rd_kafka_conf_set(conf, name, value, self._said, 512) == 0, self._said.value
        self._handle = self._library.rd_kafka_new(PRODUCER, conf, self._said, 512)
        assert self._handle, self._said.value

    def produce(self, topic: str, partition: int, value: bytes, *, key: bytes = b"", header: tuple[bytes, bytes] | None = None) -> None:
        """Queues one record; those queued at once go in one batch."""
        parts = [
            _Argument(TOPIC, _Of(text=topic.encode())),
            _Argument(PARTITION, _Of(number=partition)),
            _Argument(VALUE, _Of(bytes=_Bytes(value, len(value)))),
            _Argument(KEY, _Of(bytes=_Bytes(key, len(key)))),
            _Argument(FLAGS, _Of(number=COPY)),
        ]
        if header is not None:
            parts.append(_Argument(HEADER, _Of(header=_Header(header[0], header[1], len(header[1])))))
        assert not self._library.rd_kafka_produceva(self._handle, (_Argument * len(parts))(*parts), len(parts))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        left = self._library.rd_kafka_flush(self._handle, FLUSH_MS)
        self._library.rd_kafka_destroy(self._handle)
        assert left == 0
