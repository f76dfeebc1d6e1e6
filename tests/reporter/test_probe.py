"""The reporter's own points, sent and measured over a real broker."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer as KafkaProducer

from iskra.client import Consumer, Point
from iskra.reporter.figures import Latency
from iskra.reporter.probe import Probe
from iskra.reporter.run import run
from schemas.topics import WINDOWS, full_name

pytestmark = pytest.mark.kafka


def test_a_window_that_our_point_caused_gives_one_latency(kafka: str, namespace: str) -> None:
    """Found by the position in the id; outputs of ticks, of others and of unknown records give none."""
    found: list[Latency] = []
    probe = Probe(kafka, namespace, found.append)
    try:
        probe.publish({}, 1)
        probe.publish({"clarity": 0.8, "pain": 0.3}, 1_767_225_600_000)
        with Consumer(kafka, "metrics.points", namespace=namespace) as consumer:
            first = consumer.poll(60)
            assert first is not None
            assert first.key == "default/iskra"
            assert first.value == Point(subject="iskra", metric="clarity", value=0.8, ts=1_767_225_600_000, source="reporter")
        writer = KafkaProducer({"bootstrap.servers": kafka})
        deadline = time.monotonic() + 60
        while not found:
            assert time.monotonic() < deadline
            for key, output_id in (
                (b"default/other", f"{first.partition}-{first.offset}-0-0-k"),
                (b"default/iskra", f"{first.partition}-T17-0-0-k"),
                (b"default/iskra", f"{first.partition}-{first.offset}-0-0-k"),
            ):
                writer.produce(full_name(namespace, WINDOWS), b"{}", key, first.partition, headers={"id": output_id.encode()})
            writer.flush(20)
            threading.Event().wait(0.05)
    finally:
        probe.close()
    assert all(latency.ms > 0 and latency.topic == WINDOWS for latency in found)
    assert probe.published == 2


@pytest.fixture
def metrics() -> Iterator[str]:
    """A process that answers with growing figures."""
    asked = 0

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal asked
            asked += 1
            body = f"# TYPE iskra_worker_points counter\niskra_worker_points_total 1{asked}.0\n".encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_reporter_publishes_until_it_is_stopped(kafka: str, namespace: str, metrics: str) -> None:
    """Trust and pain of what it sees, in the live form; a process that is silent is a figure, not an end."""
    stop = threading.Event()
    done: list[int] = []
    thread = threading.Thread(target=lambda: done.append(run(kafka, namespace, [metrics, "http://127.0.0.1:9/metrics"], stop)))
    thread.start()
    try:
        with Consumer(kafka, "metrics.points", namespace=namespace) as consumer:
            messages = [consumer.poll(60) for _ in range(2)]
    finally:
        stop.set()
        thread.join()
    values = {m.value.metric: m.value.value for m in messages if m is not None and isinstance(m.value, Point)}
    assert set(values) == {"trust", "pain"}
    assert values["pain"] > 0.49, "one of the two does not answer"
    assert done[0] >= 2
