"""Figures of the gateway over a broker and a gateway that run: points over HTTP, REST answers, browsers.

`measure(url, kafka, namespace, …)` is what `iskra bench gateway` calls; by hand:
`python -m benchmarks.gateway --url http://127.0.0.1:8080 --kafka 127.0.0.1:9092 --namespace iskra --clients 500`.

The load comes from one process beside the gateway, with as little work a message as it can: raw keep-alive HTTP over
asyncio streams, and picows for the WebSockets. Latency of a delta is from just before a status is produced to Kafka
until a browser has read the message that carries it (the send time travels in `since`), over all clients and messages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
from confluent_kafka import Producer
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from schemas.outputs import Evidence, SloStatus
from schemas.partitioning import partition_for, subject_key
from schemas.topics import HEADER_ID, STATUS, full_name

CONNECT_AT_ONCE = 100


def percentile(values: list[float], share: float) -> float:
    """The ⌈share × n⌉-th smallest; 0 if there is none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


async def _requests(url: str, request: bytes, connections: int, seconds: float) -> tuple[int, list[float], dict[int, int]]:
    """Sends the same request over keep-alive connections; answers done, their times in s, and how often which status."""
    address = urlsplit(url)
    times: list[float] = []
    codes: dict[int, int] = {}
    ending = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while time.perf_counter() < ending:
            begun = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - begun)
            code = int(head[9:12])
            codes[code] = codes.get(code, 0) + 1
        writer.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    return len(times), times, codes


def _get(url: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()


def _post(url: str, body: bytes) -> bytes:
    head = (
        "POST /api/v1/points HTTP/1.1",
        f"Host: {urlsplit(url).netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*head, "", "")).encode() + body


async def http_points(url: str, *, points: int = 1000, connections: int = 8, seconds: float = 5.0) -> dict[str, float]:
    """Points a second that the broker acknowledged, in arrays of so many; `p99_ms` of a request."""
    now = int(time.time() * 1000)
    body = json.dumps([{"subject": f"s{i % 100}", "metric": "clarity", "value": 0.8, "ts": now + i // 100} for i in range(points)]).encode()
    done, times, codes = await _requests(url, _post(url, body), connections, seconds)
    accepted = codes.get(202, 0)
    return {"http_points_per_s": accepted * points / seconds, "p99_ms": percentile(times, 0.99) * 1000, "refused": float(done - accepted)}


async def rest(url: str, path: str = "/api/slo/status?limit=20", *, connections: int = 16, seconds: float = 5.0) -> dict[str, float]:
    """Answers a second to one question and their p99."""
    done, times, codes = await _requests(url, _get(url, path), connections, seconds)
    return {"rest_per_s": done / seconds, "rest_p99_ms": percentile(times, 0.99) * 1000, "refused": float(done - codes.get(200, 0))}


class _Browser(WSListener):
    def __init__(self, latencies: list[float], counts: list[int], subscribe: bytes) -> None:
        super().__init__()
        self._latencies = latencies
        self._counts = counts
        self._subscribe = subscribe

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, self._subscribe)

    def on_ws_frame(self, _: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if payload.startswith(b'{"type":"delta"'):
            # the newest of the statuses in it: times of older ones are the wait that conflation is for
            sent = int(payload.rpartition(b'"since":')[2].partition(b",")[0])
            self._latencies.append(time.time() * 1000 - sent)
            self._counts[0] += 1


async def browsers(
    url: str, kafka: str, namespace: str, *, clients: int = 500, seconds: float = 10.0, changes_per_s: float = 10.0
) -> dict[str, float]:
    """So many browsers that look at everything while statuses change; latency of each delta at each browser.

    Needs topics of the namespace and a gateway over it; writes statuses of subjects of its own to `slo.status`.
    """
    latencies: list[float] = []
    counts = [0]
    subscribe = json.dumps({"op": "subscribe", "namespace": namespace, "tenant": None, "subject": None}).encode()
    socket_url = f"ws://{urlsplit(url).netloc}/ws"
    transports: list[WSTransport] = []
    for start in range(0, clients, CONNECT_AT_ONCE):
        several = range(start, min(clients, start + CONNECT_AT_ONCE))
        opened = await asyncio.gather(*(ws_connect(lambda: _Browser(latencies, counts, subscribe), socket_url) for _ in several))
        transports += [transport for transport, _ in opened]
    await asyncio.sleep(1.0)  # snapshots
    latencies.clear()
    counts[0] = 0
    write = _changes(kafka, namespace)
    begun = time.perf_counter()
    changes = 0
    while (now := time.perf_counter()) < begun + seconds:
        write(changes)
        changes += 1
        await asyncio.sleep(max(0.0, begun + changes / changes_per_s - now))
    await asyncio.sleep(0.5)
    for transport in transports:
        transport.disconnect()
    return {
        "ws_clients": float(clients),
        "ws_p50_ms": percentile(latencies, 0.5),
        "ws_p99_ms": percentile(latencies, 0.99),
        "ws_max_ms": max(latencies, default=0.0),
        "updates_per_client_per_s": counts[0] / clients / seconds,
        "missed_share": 1 - counts[0] / (clients * changes) if changes else 0.0,
    }


def _changes(kafka: str, namespace: str) -> Callable[[int], None]:
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 0, "partitioner": "murmur2_random"})
    topic = full_name(namespace, STATUS)
    partitions = len(producer.list_topics(topic, timeout=10).topics[topic].partitions)
    base = time.time_ns() // 1_000_000

    def write(n: int) -> None:
        key = subject_key("bench", f"b{n % 100}")
        partition = partition_for(key, partitions)
        evidence = Evidence(30, 0, full_name(namespace, "metrics.points"), partition, 0, base + n, [])
        now = time.time_ns() // 1_000_000
        name, level = f"b{n % 100}", ("OK", "WARN")[n % 2]
        told = ("bench", name, "clarity", level, None, None, None, 0.8, None, "mean", 30_000, None, None, now, evidence, "c")
        status = SloStatus(*told)  # type: ignore[arg-type]
        identity = f"{partition}-{base + n}-0-0-{'b' * 16}".encode()
        producer.produce(topic, msgspec.json.encode(status), key, partition, headers=[(HEADER_ID, identity)])
        producer.poll(0)

    return write


async def measure(url: str, kafka: str, namespace: str, *, clients: int = 500, seconds: float = 5.0) -> dict[str, float]:
    """All figures, one after the other."""
    figures: dict[str, float] = {}
    parts: list[Awaitable[dict[str, float]]] = [
        http_points(url, seconds=seconds),
        rest(url, seconds=seconds),
        browsers(url, kafka, namespace, clients=clients, seconds=2 * seconds),
    ]
    for part in parts:
        figures.update(await part)
    figures.pop("p99_ms", None)
    return figures


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--kafka", default="127.0.0.1:9092")
    parser.add_argument("--namespace", default="iskra")
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0)
    options: Any = parser.parse_args()
    figures = asyncio.run(measure(options.url, options.kafka, options.namespace, clients=options.clients, seconds=options.seconds))
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
