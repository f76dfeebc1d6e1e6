"""Random files through `evaluate`, against the literal implementation."""

from __future__ import annotations

import hypothesis
import msgspec
from hypothesis import strategies as st

from iskra.evaluation import evaluate
from tests.processors.both import differences, plain
from tests.processors.profiles import cases
from tests.processors.settings import SMALL_ONES, TOPIC
from tests.processors.streams import Scene, scenes, write
from tests.reference import evaluate as literally


@cases(100)
@hypothesis.given(scenes, st.sampled_from(sorted(SMALL_ONES)), st.sampled_from((0, 1, 900, 1000, 20_000)), st.sampled_from((3000, 10**9)))
def test_random_files(parts: list[Scene], name: str, drain: int, max_jump: int) -> None:
    """Points, arrays, refused and late ones, gaps past `--max-jump`, drains that end between seconds: output by output."""
    config = SMALL_ONES[name]
    lines = [
        msgspec.json.encode(msgspec.msgpack.decode(record.value)) if record.encoding else record.value
        for record in write(config, parts)
        if record.kind == "points"
    ]
    got = [plain(out) for outs in evaluate(lines, config, drain_ms=drain, max_jump_ms=max_jump) for out in outs]
    expected = literally(config, lines, topic=TOPIC, drain=drain, max_jump=max_jump)
    assert got == expected, differences(got, expected)
