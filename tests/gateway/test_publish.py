"""`POST /api/v1/points` against a real broker: every answer that it can give."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from schemas.points import MAX_POINTS
from tests.gateway.conftest import Running, eventually, read_points, read_topic

TS = 1_762_435_106_000
PATH = "/api/v1/points"
LINES = {"Content-Type": "application/x-ndjson"}

pytestmark = pytest.mark.kafka


@pytest.fixture
def http(gateway: Running) -> Iterator[httpx.Client]:
    with gateway.client() as client:
        yield client


def point(subject: str, **fields: Any) -> dict[str, Any]:
    return {"subject": subject, "metric": "clarity", "value": 0.5, "ts": TS, **fields}


def on_log(kafka: str, namespace: str, subject: str) -> list[dict[str, Any]]:
    return [item for item in read_points(kafka, namespace) if item["subject"] == subject]


def test_one_object_is_accepted_and_stands_on_the_log(http: httpx.Client, kafka: str, space: str) -> None:
    """202 comes after the broker's acknowledgement: the point can be read at once."""
    answer = http.post(PATH, json=point("one"))
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    assert on_log(kafka, space, "one") == [{**point("one"), "tenant": "default", "source": None}]


def test_an_array_and_lines_are_accepted_in_their_order(http: httpx.Client, kafka: str, space: str) -> None:
    """Order per subject is that of the body, for arrays and for NDJSON."""
    points = [point(f"many-{i % 7}", ts=TS + i) for i in range(700)]
    assert http.post(PATH, json=points).json()["accepted"] == 700
    lines = "\n".join(json.dumps({**each, "ts": each["ts"] + 1000}) for each in points)
    assert http.post(PATH, content=lines, headers=LINES).json()["accepted"] == 700
    times = [item["ts"] for item in on_log(kafka, space, "many-3")]
    assert times == sorted(times)
    assert len(times) == 200


def test_a_mixed_batch_goes_on_and_its_bad_items_become_dead_letters(http: httpx.Client, gateway: Running, kafka: str, space: str) -> None:
    """Each refused item is told with index and reason, stands on `dead-letters`, and is counted."""
    before = gateway.metric('iskra_gateway_points_rejected_total{reason="out_of_range"}')
    raw = (
        json.dumps([point("mixed"), point("mixed", value=2), point("mixed/x"), point("mixed")])[:-1]
        + ', {"subject":"mixed","metric":"pain","value":NaN,"ts":5}]'
    )
    answer = http.post(PATH, content=raw, headers={"Content-Type": "application/json; charset=UTF-8"})
    assert answer.status_code == 202
    told = answer.json()
    assert told["accepted"] == 2
    assert [(item["index"], item["reason"]) for item in told["rejected"]] == [(1, "out_of_range"), (2, "bad_name"), (4, "out_of_range")]
    assert all(item["detail"] for item in told["rejected"])
    letters = [each for each in read_topic(kafka, space, "dead-letters") if (each.value["subject"] or "").startswith("mixed")]
    assert sorted((each.value["index"], each.value["reason"], each.value["topic"]) for each in letters) == [
        (1, "out_of_range", "http"),
        (2, "bad_name", "http"),
        (4, "out_of_range", "http"),
    ]
    assert len({each.headers["id"] for each in letters}) == 3
    assert len(on_log(kafka, space, "mixed")) == 2
    assert gateway.metric('iskra_gateway_points_rejected_total{reason="out_of_range"}') == before + 2


def test_ten_thousand_points_pass_and_one_more_is_413(http: httpx.Client, kafka: str, space: str) -> None:
    """The greatest array is taken whole; a greater one is refused whole."""
    points = [point("bulk", ts=TS + i) for i in range(MAX_POINTS)]
    assert http.post(PATH, json=points).json() == {"accepted": MAX_POINTS, "rejected": []}
    assert http.post(PATH, json=[*points, point("bulk")]).status_code == 413
    assert [item["ts"] for item in on_log(kafka, space, "bulk")] == [TS + i for i in range(MAX_POINTS)]


def test_a_megabyte_in_one_item_is_refused_and_its_dead_letter_is_cut(http: httpx.Client, kafka: str, space: str) -> None:
    """A 1 MB name is a bad name; 64 KiB of it are kept."""
    answer = http.post(PATH, json=[point("big", source="x" * 1_000_000), point("big")])
    assert answer.json()["accepted"] == 1
    (letter,) = [each for each in read_topic(kafka, space, "dead-letters") if each.value["subject"] == "big"]
    assert 60_000 < len(letter.value["bytes"]) < 100_000


def test_names_of_any_script_pass_and_control_characters_do_not(http: httpx.Client, kafka: str, space: str) -> None:
    """Letters of any script are names; control characters, spaces and lone surrogates are not."""
    good = ["искра", "火花", "a.b:c-d_e", "ünïcode9"]
    bad = ["a\u0000b", "a\nb", "a b", "\u202eabc", "\ud800", "😀", ""]
    answer = http.post(PATH, content=json.dumps([point(name) for name in good + bad]), headers={"Content-Type": "application/json"})
    assert answer.json()["accepted"] == len(good)
    assert [item["index"] for item in answer.json()["rejected"]] == list(range(len(good), len(good + bad)))
    assert len(on_log(kafka, space, "火花")) == 1


@pytest.mark.parametrize("raw", [b"", b"{", b"[1,", b"7", b"\x00", b"\xff\xfe\x00", b"[" * 50_000])
def test_an_unreadable_body_is_422(http: httpx.Client, raw: bytes) -> None:
    """What cannot be read as a whole is refused as a whole, and said so."""
    answer = http.post(PATH, content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_an_unreadable_body_is_a_dead_letter_too(http: httpx.Client, kafka: str, space: str) -> None:
    """Nothing is dropped silently: the body's first bytes stand on `dead-letters`, with an empty key."""
    http.post(PATH, content=b"{tell me", headers={"Content-Type": "application/json"})
    letters = [each for each in read_topic(kafka, space, "dead-letters") if each.value["bytes"] == "e3RlbGwgbWU="]
    assert [(each.key, each.value["reason"]) for each in letters] == [(b"", "undecodable")]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_other_content_types_are_415(http: httpx.Client, headers: dict[str, str]) -> None:
    """Only JSON and NDJSON in UTF-8, uncompressed, are read. The connection ends with the refusal, and the client is told so."""
    answer = http.post(PATH, content=b"{}", headers=headers)
    assert answer.status_code == 415
    assert answer.headers["Connection"] == "close"


def test_a_body_over_eight_mebibytes_is_413_told_or_streamed(http: httpx.Client) -> None:
    """The length told beforehand is enough to refuse; a stream without one is cut off while it is read."""
    headers = {"Content-Type": "application/json"}
    assert http.post(PATH, content=b" " * (8 * 1024 * 1024 + 1), headers=headers).status_code == 413

    def stream() -> Iterator[bytes]:
        for _ in range(9):
            yield b" " * 1024 * 1024

    assert http.post(PATH, content=stream(), headers=headers).status_code == 413


def test_more_than_the_allowed_rate_is_429(spawn_gateway: Callable[..., Running], space: str) -> None:
    """After a second's worth the next request is told when to come back."""
    gateway = spawn_gateway(namespaces=[space], limits={"points_per_s": 1})
    with gateway.client() as client:

        def refused() -> httpx.Response | None:
            answer = client.post(PATH, json=[point("rate")] * 100)
            return answer if answer.status_code == 429 else None

        answer = eventually(refused, "429")
        assert int(answer.headers["Retry-After"]) > 1


def test_more_than_the_allowed_requests_at_once_are_429(spawn_gateway: Callable[..., Running], kafka: str, space: str) -> None:
    """Beyond the limit requests are refused at once; those accepted are all on the log."""
    gateway = spawn_gateway(namespaces=[space], limits={"in_flight_requests": 1})
    with gateway.client() as client, ThreadPoolExecutor(16) as pool:
        codes: list[int] = []

        def both() -> bool:
            codes.extend(pool.map(lambda _: client.post(PATH, json=point("crowd")).status_code, range(64)))
            return {202, 429} == set(codes)

        eventually(both, "202 and 429 side by side")
    assert len(on_log(kafka, space, "crowd")) == codes.count(202)


class Unfinished:
    """A request whose body does not come to its end."""

    def __init__(self, gateway: Running, told: int, body: bytes) -> None:
        self.connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=30)
        head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nContent-Type: application/json\r\nContent-Length: {told}\r\n\r\n"
        self.connection.sendall(head.encode() + body)

    def answer(self) -> bytes:
        """What it gets, up to the end of the connection."""
        with self.connection, self.connection.makefile("rb") as stream:
            return stream.read()


def test_bodies_count_while_they_arrive(spawn_gateway: Callable[..., Running], space: str) -> None:
    """Uploads that never end cannot take more memory than is allowed, and what they hold is free again when they are gone."""
    gateway = spawn_gateway(namespaces=[space], limits={"in_flight_bytes": 100_000})
    slow = Unfinished(gateway, 1_000_000, b"[" + b" " * 90_000)
    with gateway.client() as client:
        large = [point("alongside", source="x" * 100)] * 200
        assert eventually(lambda: (a := client.post(PATH, json=large)).status_code == 429 and a, "429").headers["Connection"] == "close"
        assert client.post(PATH, json=point("alongside")).status_code == 202
        slow.connection.close()
        eventually(lambda: client.post(PATH, json=large).status_code == 202, "202")


def test_a_body_that_does_not_arrive_is_408_and_keeps_nobody_waiting(spawn_gateway: Callable[..., Running], space: str) -> None:
    """Connections on which nothing comes take no place of those that publish."""
    gateway = spawn_gateway(namespaces=[space], limits={"in_flight_requests": 1, "receive": 2.0})
    idle = [Unfinished(gateway, 100, b"{") for _ in range(8)]
    with gateway.client() as client:
        assert client.post(PATH, json=point("meanwhile")).status_code == 202
    for one in idle:
        assert one.answer().startswith(b"HTTP/1.1 408 ")


def test_the_api_describes_itself_without_other_hosts(http: httpx.Client) -> None:
    """OpenAPI names every answer; the page about it loads nothing from anywhere."""
    about = http.get("/api/docs/openapi.json").json()
    assert {"202", "408", "413", "415", "422", "429", "503"} <= set(about["paths"][PATH]["post"]["responses"])
    page = http.get("/api/docs").text
    assert PATH in page
    assert "://" not in page
    assert "<script" not in page
