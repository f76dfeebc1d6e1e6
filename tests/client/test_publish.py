"""`iskra publish` against a real broker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from iskra.cli.publish import command
from iskra.client import Consumer, Point

pytestmark = pytest.mark.kafka

BASE = 1_767_225_600_000


def line(value: float, ts: int = BASE) -> str:
    return json.dumps({"subject": "a", "metric": "load", "value": value, "ts": ts})


def publish(kafka: str, namespace: str, *arguments: str, text: str = "") -> Result:
    return CliRunner().invoke(command, [*arguments, "--kafka", kafka, "--namespace", namespace], input=text)


def values(kafka: str, namespace: str) -> list[float]:
    with Consumer(kafka, "metrics.points", namespace=namespace, until_end=True) as consumer:
        return [message.value.value for message in consumer if isinstance(message.value, Point)]


def test_a_file_is_published_whole(kafka: str, namespace: str, tmp_path: Path) -> None:
    """Every point, in order; the summary is JSON alone on stdout; exit 0."""
    file = tmp_path / "points.ndjson"
    file.write_text("\n".join(line(float(i)) for i in range(5000)))
    result = publish(kafka, namespace, str(file), "--json")
    assert result.exit_code == 0, result.output
    summary: dict[str, Any] = json.loads(result.stdout)
    assert {k: summary[k] for k in ("read", "acknowledged", "refused", "not_acknowledged", "interrupted")} == {
        "read": 5000, "acknowledged": 5000, "refused": 0, "not_acknowledged": 0, "interrupted": False,
    }  # fmt: skip
    assert values(kafka, namespace) == [float(i) for i in range(5000)]


def test_bad_lines_are_named_and_the_rest_goes_on(kafka: str, namespace: str) -> None:
    """What cannot be decoded and what no worker would take: line and reason on stderr, counted, exit 1."""
    text = "\n".join([line(1.0), "{", line(2e9), line(2.0)])
    result = publish(kafka, namespace, "-", text=text)
    assert result.exit_code == 1
    assert "-:2: expected a JSON object" in result.stderr
    assert "-:3: value: expected a finite number" in result.stderr
    assert "2 points acknowledged" in result.stdout
    assert "2 lines refused" in result.stdout
    assert values(kafka, namespace) == [1.0, 2.0]


def test_strict_stops_at_the_first_bad_line(kafka: str, namespace: str) -> None:
    """Nothing behind it is sent; one line says which it was; exit 2."""
    result = publish(kafka, namespace, "-", "--strict", text="\n".join([line(1.0), line(2e9), line(2.0)]))
    assert result.exit_code == 2
    assert "-:2: value: expected" in result.output
    assert values(kafka, namespace) == [1.0]
    assert publish(kafka, namespace, "-", "--strict", text="\n".join([line(3.0), "{", line(4.0)])).exit_code == 2
    assert values(kafka, namespace) == [1.0, 3.0]


def test_csv_and_its_header(kafka: str, namespace: str, tmp_path: Path) -> None:
    """A CSV file by its name; a header that does not fit refuses the file with exit 2."""
    file = tmp_path / "p.csv"
    file.write_text("subject,metric,value,ts\na,load,1.5,5\n")
    assert publish(kafka, namespace, str(file)).exit_code == 0
    assert values(kafka, namespace) == [1.5]
    file.write_text("subject,metric\n")
    result = publish(kafka, namespace, str(file))
    assert result.exit_code == 2
    assert "p.csv:1: value: expected this field" in result.output


def test_parquet_that_breaks_in_the_middle_is_exit_2(kafka: str, namespace: str, tmp_path: Path) -> None:
    """One line names the file, the row, and how many points before it are in the log; a column of another type likewise."""
    file, rows = tmp_path / "p.parquet", 2 * 8192
    columns = {"subject": ["a"] * rows, "metric": ["load"] * rows, "value": [1.0] * rows, "ts": [BASE] * rows}
    pq.write_table(pa.table(columns), file, row_group_size=8192)
    with file.open("r+b") as out:
        out.seek(pq.ParquetFile(file).metadata.row_group(1).column(2).data_page_offset)
        out.write(b"\xff" * 50)
    result = publish(kafka, namespace, str(file))
    assert result.exit_code == 2
    assert "p.parquet:8193: expected rows that can be read" in result.output
    assert "(8,192 points before it were acknowledged)" in result.output
    assert len(values(kafka, namespace)) == 8192
    pq.write_table(pa.table({"subject": [["a"]], "metric": ["load"], "value": [1.0], "ts": [BASE]}), file)
    result = publish(kafka, namespace, str(file))
    assert result.exit_code == 2
    assert "p.parquet:1: subject: expected text" in result.output


def test_paced_runs_keep_order_and_count(kafka: str, namespace: str) -> None:
    """`--rate` and `--speed` give out every point; together they are refused."""
    text = "\n".join(line(float(i), BASE + i * 100) for i in range(20))
    assert publish(kafka, namespace, "-", "--rate", "1000", text=text).exit_code == 0
    assert publish(kafka, namespace, "-", "--speed", "100", text=text).exit_code == 0
    assert values(kafka, namespace) == [float(i) for i in range(20)] * 2
    assert publish(kafka, namespace, "-", "--rate", "1", "--speed", "1").exit_code == 2


def test_a_broker_that_is_not_there_is_exit_3(tmp_path: Path) -> None:
    """And a file that is not there is exit 2, before the broker is asked."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{unused.getsockname()[1]}"
        result = publish(nowhere, "iskra", "-")
        assert result.exit_code == 3
        assert "no Kafka broker answered" in result.output
        assert publish(nowhere, "iskra", str(tmp_path / "absent.csv")).exit_code == 2


def test_ctrl_c_tells_what_was_acknowledged(kafka: str, namespace: str) -> None:
    """An open pipe, then the signal: what was read is in the log, the summary says so, exit 130."""
    arguments = ["publish", "-", "--json", "--kafka", kafka, "--namespace", namespace]
    process = subprocess.Popen([sys.executable, "-m", "iskra", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(f"{line(1.0)}\n{line(2.0)}\n".encode())
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while values(kafka, namespace) != [1.0, 2.0]:
            assert time.monotonic() < deadline
        process.send_signal(signal.SIGINT)
        summary = json.loads(process.stdout.read())
    assert process.returncode == 130
    assert (summary["interrupted"], summary["acknowledged"], summary["not_acknowledged"]) == (True, 2, 0)
