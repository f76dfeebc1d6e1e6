"""The compiled engine and the interpreted one are the same engine."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]
METRICS = ("clarity", "chaos", "trust", "pain", "pulse_rate")


def _points(seed: int, number: int) -> bytes:
    """Points of three subjects that wander over every bound, with silences, late, refused and equal ones among them.

    A metric without rules takes values of every size that is legal: their squares leave what a machine integer holds.
    """
    rnd = random.Random(seed)
    now = 1_762_435_100_000
    level = dict.fromkeys(METRICS, 0.5)
    lines = []
    for _ in range(number):
        now += rnd.choice((0, 50, 200, 400, 1000)) if rnd.random() < 0.99 else rnd.randrange(90_000)
        metric = rnd.choice(METRICS)
        level[metric] = min(1.05, max(-0.05, level[metric] + rnd.gauss(0, 0.04)))
        ts = now - (rnd.randrange(9000) if rnd.random() < 0.1 else 0)
        lines.append(msgspec.json.encode({"subject": rnd.choice("abc"), "metric": metric, "value": round(level[metric], 3), "ts": ts}))
        load = rnd.uniform(-1, 1) * 10 ** rnd.randrange(-9, 10)
        lines.append(msgspec.json.encode({"subject": rnd.choice("abc"), "metric": "load", "value": load, "ts": ts}))
    return b"\n".join(lines)


def _evaluate(points: bytes, environment: dict[str, str]) -> bytes:
    command = [sys.executable, "-c", "from iskra.cli import main; main()", "evaluate", "-"]
    return subprocess.run(command, input=points, capture_output=True, check=True, cwd=ROOT, env=os.environ | environment).stdout


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "compile_processors.py")]
    if b"no C compiler" in subprocess.run(script, check=True, capture_output=True).stderr:
        pytest.skip("no C compiler")
    look = [sys.executable, "-c", "import processors; print(processors.IS_COMPILED)"]
    assert subprocess.run(look, check=True, capture_output=True, cwd=ROOT).stdout == b"True\n"


def test_the_compiled_engine_obeys_the_law() -> None:
    """The tests that compare with the literal implementation, those on random logs among them, pass with the compiled processors."""
    tests = [str(ROOT / "tests" / "processors" / f"test_{name}.py") for name in ("random", "numbers", "windows", "floods", "recovery")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {"ISKRA_TEST_COMPILED": "1"})
    assert told.returncode == 0, told.stdout[-5_000:]


def test_compiled_and_interpreted_outputs_are_the_same_bytes() -> None:
    """A long wandering log gives byte-identical outputs with the compiled processors and with the interpreted ones."""
    points = _points(7, 20_000)
    interpreted = _evaluate(points, {"ISKRA_INTERPRETED": "1"})
    assert _evaluate(points, {"ISKRA_INTERPRETED": ""}) == interpreted
    assert interpreted.count(b'"topic":"slo.status"') > 100
