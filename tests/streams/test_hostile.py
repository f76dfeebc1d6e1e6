"""No record ends a worker, whatever a producer writes: values, headers, times."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from iskra import config_files
from processors.engine import PartitionEngine
from streams.configs import Configs
from streams.epoch import Epoch
from streams.partition import Partition
from tests.streams.fake import LogRecord

CONFIG = config_files.load()
TIME = 1_762_000_000_000

_NAMES = st.sampled_from(["alpha", "", "a/b", "я", "\ud800", "x" * 200])
_NUMBERS = st.one_of(st.floats(), st.integers(), st.sampled_from([10**400, -0.0, True]))
_TIMES = st.one_of(
    st.sampled_from([TIME, TIME + 1_000, 0, -1, 2**63, "2025-11-06T13:18:26Z", "2025-11-06", "9999-12-31T23:59:60Z"]), st.integers()
)
_ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
)
_POINT = st.fixed_dictionaries(
    {},
    optional={
        "tenant": st.one_of(_NAMES, _ANYTHING),
        "subject": st.one_of(_NAMES, _ANYTHING),
        "metric": st.one_of(st.sampled_from(["clarity", "chaos", "heartbeat", "Bad Name"]), _ANYTHING),
        "value": st.one_of(_NUMBERS, _ANYTHING),
        "ts": st.one_of(_TIMES, _ANYTHING),
        "source": _ANYTHING,
        "command": st.one_of(st.sampled_from(["acknowledge_alert", "mute_voice", "approve_action", "emit"]), _ANYTHING),
        "who": _ANYTHING,
        "why": _ANYTHING,
        "alert_id": _ANYTHING,
        "action_id": _ANYTHING,
        "voice": _ANYTHING,
        "until": _ANYTHING,
    },
)
_CONTENT = st.one_of(_POINT, st.lists(st.one_of(_POINT, _ANYTHING), max_size=4), _ANYTHING)


def _packed(content: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(content)
    except (OverflowError, UnicodeEncodeError, msgspec.EncodeError, ValueError):
        return b"\xc1"


_VALUES = st.one_of(
    _CONTENT.map(lambda content: json.dumps(content).encode("utf-8", "surrogatepass")),
    _CONTENT.map(_packed),
    st.binary(max_size=60),
    st.sampled_from([b"[" * 3_000, b'{"a":' * 3_000, b"\xef\xbb\xbf{}", b"[NaN,{}]", b"[,]", b"\xdd\xff\xff\xff\xff"]),
)
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["kind", "encoding", "origin", "redrive", "id", "by"]),
        st.one_of(st.none(), st.binary(max_size=8), st.sampled_from([b"tick", b"command", b"summary", b"msgpack", b"0-5", b"1-"])),
    ),
    max_size=4,
).map(tuple)
_RECORD = st.tuples(st.one_of(st.integers(TIME, TIME + 90_000), st.sampled_from([-1, 0, 2**62])), _VALUES, _HEADERS)


@given(st.lists(_RECORD, min_size=1, max_size=12))
def test_no_record_ends_a_worker(records: list[tuple[int, bytes, tuple[tuple[str, bytes | None], ...]]]) -> None:
    """Each is applied, refused or ignored, and what it causes can be written."""
    engine = PartitionEngine(CONFIG, topic="n.metrics.points", partition=0, partitions=1, live=False)
    partition = Partition(0, engine, Epoch(lambda *_: None, None), generation=0, next_offset=0, catch_up=0)
    configs = cast(Configs, SimpleNamespace(get=lambda _: None))
    for offset, (time, value, headers) in enumerate(records):
        record = LogRecord(offset, time, value, cast(Any, headers))
        outs = partition.special(record, configs) if headers else engine.points(offset, time, value)
        if outs is None:
            return  # a marker: a worker waits for the body, and tells so
        for out in outs:
            assert msgspec.json.decode(msgspec.json.encode(out.value)) is not None
            assert not (out.topic == "dead-letters" and b'"engine_error"' in msgspec.json.encode(out.value)), out.value
        assert engine.position == offset
