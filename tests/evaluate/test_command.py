"""`iskra evaluate` from the command line: every line that it writes is the literal implementation's."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from iskra.config_files import DEFAULT_DIR, THRESHOLDS, load
from tests.processors.settings import TOPIC
from tests.reference import Out, evaluate

DAY = 86_400


def run(*arguments: str | Path, stdin: bytes = b"", code: int = 0) -> tuple[list[dict[str, Any]], str]:
    """Runs the command; the documents on stdout and the text on stderr."""
    command = [sys.executable, "-m", "iskra", "evaluate", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def line(metric: str, value: float, t: float, **more: Any) -> bytes:
    """A point as a line of NDJSON."""
    return json.dumps({"subject": "alpha", "metric": metric, "value": value, "ts": round(t * 1000), **more}).encode()


def documents(outs: Sequence[Out]) -> list[dict[str, Any]]:
    """Outputs as the command writes them."""
    return [{"topic": out.topic, "key": out.key.decode(), "id": out.id, "ts": out.ts, "value": out.value} for out in outs]


def blanked(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same without the free texts of dead letters."""
    for document in found:
        if "detail" in document["value"]:
            assert document["value"]["detail"]
            document["value"]["detail"] = ""
    return found


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A subject that drifts, is refused, falls silent and comes back; another beside it, in arrays; blank lines."""
    lines: list[bytes] = []
    for t in range(1000, 1100):
        lines.append(line("clarity", 0.92 if 1030 <= t < 1060 else 0.80 + (t % 3) / 1000, t))
        if t % 10 == 0:
            pair = [json.loads(line("chaos", 0.45, t - 0.5, subject="бета")), json.loads(line("mood", -3, t, subject="бета"))]
            lines += [b"", json.dumps(pair, ensure_ascii=False).encode(), b"   "]
        if t == 1050:
            lines += [line("clarity", 7, t), b"{nonsense", b"[1, 2]", line("clarity", 0.8, t, source="a/b"), b"[]"]
    lines += [line("clarity", 0.81, 1300 + n / 4) for n in range(40)]
    lines += [line("clarity", 0.81, 1200), line("clarity", 0.5, 1300 + 31 * DAY)]
    file = tmp_path / "points.ndjson"
    file.write_bytes(b"\n".join(lines) + b"\n")
    return file


def test_every_line_is_the_laws(story: Path, tmp_path: Path) -> None:
    """Windows, statuses and dead letters of a whole file, in order, with ids; ticks that change nothing leave no trace."""
    statuses_alone = (DEFAULT_DIR / THRESHOLDS).read_text(encoding="utf-8") + "living: null\n"
    (tmp_path / THRESHOLDS).write_text(statuses_alone, encoding="utf-8")
    found, _ = run(story, "--config", tmp_path)
    expected = documents(evaluate(load(tmp_path), story.read_bytes().split(b"\n"), topic=TOPIC))
    assert blanked(found) == expected
    assert {document["topic"] for document in found} == {"slo.windows", "slo.status", "dead-letters"}
    assert any("-T" in document["id"] for document in found)


def test_a_second_run_writes_the_same_bytes(story: Path, tmp_path: Path) -> None:
    """To a file this time, with nothing on stdout."""
    first, second = tmp_path / "first.ndjson", tmp_path / "second.ndjson"
    assert run(story, "--out", first)[0] == []
    run("-", "--out", second, stdin=story.read_bytes())
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_bytes().splitlines()) > 50


def test_topics_chooses(story: Path) -> None:
    """Only the outputs of the topics named, with the ids that they have among all."""
    everything, _ = run(story)
    chosen, _ = run(story, "--topics", "slo.status,dead-letters")
    assert chosen == [document for document in everything if document["topic"] in ("slo.status", "dead-letters")]


def test_by_default_every_metric_ends_as_missing(story: Path) -> None:
    """The ticks run on for 66 s after the last point: 31 to idleness, and the windows close."""
    found, _ = run(story, "--topics", "slo.status")
    last = {(d["value"]["subject"], d["value"]["metric"]): d["value"] for d in found}
    assert {key: value["reason"] for key, value in last.items()} == {("alpha", "clarity"): "missing", ("бета", "chaos"): "missing"}


def test_drain_tells_how_long_time_goes_on() -> None:
    """With a drain of 31 s the missing point is noticed, with 30 s it is not yet."""
    points = b"\n".join(line("clarity", 0.8 + t % 2 / 100, t) for t in range(100, 105))
    for drain, reasons in (("0s", ["sparse", None]), ("29s", ["sparse", None]), ("30s", ["sparse", None, "missing"])):
        found, _ = run("-", "--topics", "slo.status", "--drain", drain, stdin=points)
        assert [document["value"]["reason"] for document in found] == reasons
    missing = found[-1]
    assert (missing["id"].rsplit("-", 1)[0], missing["ts"]) == ("0-T134-0-3", 134_000)
    assert missing["value"]["evidence"]["last_offset"] == 4


def test_a_jump_is_refused_and_the_message_names_the_option() -> None:
    """More than 30 days ahead of the points before it, or what `--max-jump` says; exactly so much is accepted."""
    points = b"\n".join([line("mood", 1, 100), line("mood", 1, 100 + 30 * DAY + 0.001)])
    (dead,) = run("-", "--topics", "dead-letters", stdin=points)[0]
    assert (dead["value"]["reason"], dead["value"]["offset"], dead["id"]) == ("from_the_future", 1, "0-1-0-0-dead")
    assert "--max-jump" in dead["value"]["detail"]
    points = b"\n".join([line("mood", 1, 100), line("mood", 1, 160), line("mood", 1, 220.001), line("mood", 1, 220)])
    (dead,) = run("-", "--topics", "dead-letters", "--max-jump", "1m", stdin=points)[0]
    assert dead["value"]["offset"] == 2


def test_each_item_of_an_array_is_a_record_of_its_own() -> None:
    """An array says what its points say one a line, ids included; blank lines are no records."""
    points = [line("clarity", 0.8, t) for t in range(100, 110)]
    array = b"[" + b", ".join(points) + b"]"
    lone, _ = run("-", stdin=b"\n\n".join(points))
    assert run("-", stdin=b"\n" + array + b"\n")[0] == lone
    assert [document["id"].split("-")[1] for document in lone if document["topic"] == "slo.status"][:2] == ["0", "1"]


def test_an_array_in_an_array_is_no_point() -> None:
    """It is one record, and `invalid`."""
    found, _ = run("-", stdin=b"[[" + line("clarity", 0.8, 100) + b"]]")
    assert [(document["topic"], document["value"]["reason"]) for document in found] == [("dead-letters", "invalid")]


def test_points_are_never_sorted() -> None:
    """Out of order is judged as it stands: late, if it is."""
    found, _ = run("-", "--topics", "slo.windows", stdin=b"\n".join([line("mood", 1, 119), line("mood", 2, 101)]))
    assert [(d["value"]["start"], d["value"]["count"], d["value"]["late"]) for d in found if d["value"]["size_ms"] == 10_000] == [
        (110_000, 1, 1)
    ]


def test_nothing_is_too_old() -> None:
    """Old points are late, not refused: there is no `max_age` here."""
    found, _ = run("-", "--topics", "dead-letters", stdin=b"\n".join([line("mood", 1, 29 * DAY), line("mood", 1, 1)]))
    assert found == []


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    """No records, no outputs, exit 0."""
    file = tmp_path / "empty"
    file.write_bytes(b"\n  \n")
    assert run(file)[0] == []


def test_a_byte_order_mark_is_no_part_of_the_first_point() -> None:
    """`iskra publish` takes such files, too."""
    found, _ = run("-", "--topics", "dead-letters", stdin=b"\xef\xbb\xbf" + line("mood", 1, 100))
    assert found == []


def test_a_file_is_not_written_over_while_it_is_read(story: Path) -> None:
    """`--out` with the very file, or another name of it, is refused, and nothing is lost."""
    before = story.read_bytes()
    other = story.with_name("other")
    other.symlink_to(story)
    for out in (story, other):
        _, said = run(story, "--out", out, code=2)
        assert "expected another file" in said
    assert story.read_bytes() == before


def test_only_refused_points() -> None:
    """Dead letters with the position, no ticks, exit 0: the points were judged, the command did its work."""
    found, _ = run("-", stdin=b"nonsense\n" + line("clarity", 2, 100))
    assert [(d["id"], d["ts"], d["value"]["reason"]) for d in found] == [
        ("0-0-0-0-dead", 0, "undecodable"),
        ("0-1-0-0-dead", 0, "out_of_range"),
    ]


def test_another_configuration(tmp_path: Path) -> None:
    """`--config DIR` judges by other bounds; each status names the configuration."""
    text = (DEFAULT_DIR / THRESHOLDS).read_text(encoding="utf-8")
    (tmp_path / THRESHOLDS).write_text(text.replace("high: {P2: 0.85", "high: {P2: 0.81"), encoding="utf-8")
    points = b"\n".join(line("clarity", 0.82, t) for t in range(100, 120))
    found, _ = run("-", "--config", tmp_path, "--topics", "slo.status", "--drain", "0s", stdin=points)
    assert [document["value"]["level"] for document in found] == ["UNKNOWN", "OK", "WARN"]
    other, _ = run("-", "--topics", "slo.status", "--drain", "0s", stdin=points)
    assert [document["value"]["level"] for document in other] == ["UNKNOWN", "OK"]
    assert found[0]["value"]["config"] != other[0]["value"]["config"]


def test_bad_usage_is_one_line_and_exit_2(tmp_path: Path) -> None:
    """A missing file, an unknown topic, a bad duration, a bad configuration: what, where, and what was expected."""
    for arguments, words in (
        ([tmp_path / "none.ndjson"], ["none.ndjson"]),
        ([tmp_path], [str(tmp_path)]),
        (["-", "--topics", "slo.status,nonsense"], ["--topics", "nonsense", "slo.windows"]),
        (["-", "--drain", "66"], ["--drain", "30s"]),
        (["-", "--max-jump", "a month"], ["--max-jump"]),
        (["-", "--config", tmp_path], [THRESHOLDS]),
        (["-", "--out", tmp_path / "no" / "such"], ["such"]),
        ([], ["FILE"]),
    ):
        found, said = run(*arguments, code=2)
        assert found == []
        assert "Traceback" not in said
        for word in words:
            assert word in said, (arguments, said)


def test_a_bad_configuration_names_file_line_and_field(tmp_path: Path) -> None:
    """Bounds out of order are refused whole."""
    shutil.copy(DEFAULT_DIR / THRESHOLDS, tmp_path)
    file = tmp_path / THRESHOLDS
    file.write_text(file.read_text(encoding="utf-8").replace("P1: 0.90, P0: 0.95", "P1: 0.99, P0: 0.95"), encoding="utf-8")
    _, said = run("-", "--config", tmp_path, code=2)
    number = next(n for n, text in enumerate(file.read_text(encoding="utf-8").split("\n"), 1) if "P1: 0.99" in text)
    assert f"{THRESHOLDS}:{number}: metrics.clarity.high.P0" in said


def test_a_reader_that_goes_away_is_no_error(story: Path) -> None:
    """`iskra evaluate … | head -1` ends quietly."""
    command = f"{sys.executable} -m iskra evaluate {story} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(done.stdout.splitlines()) == 1
