"""Reads a block of the Native format: the other direction, for tests alone."""

from __future__ import annotations

from typing import Any

import numpy as np

_NUMPY = {"Float64": "<f8", "UInt16": "<u2", "UInt32": "<u4", "UInt64": "<u8", "Date": "<u2", "DateTime64(3, 'UTC')": "<i8"}


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def text(self) -> str:
        return self.take(self.varint()).decode()

    def array(self, kind: str, count: int) -> Any:
        return np.frombuffer(self.take(np.dtype(kind).itemsize * count), dtype=kind)


def columns(block: bytes) -> dict[str, list[Any]]:
    """The block's columns by name."""
    stream = _Bytes(block)
    count, rows = stream.varint(), stream.varint()
    found: dict[str, list[Any]] = {}
    for _ in range(count):
        name, kind = stream.text(), stream.text()
        if kind == "LowCardinality(String)":
            _, flags, size = stream.array("<u8", 3)
            texts = [stream.text() for _ in range(size)]
            length = int(stream.array("<u8", 1)[0])
            found[name] = [texts[code] for code in stream.array(("u1", "<u2", "<u4")[int(flags) & 0xFF], length)]
        else:
            found[name] = stream.array(_NUMPY[kind], rows).tolist()
    assert stream.at == len(block)
    return found
