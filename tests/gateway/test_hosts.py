"""A gateway on loopback answers to no name that a page elsewhere could have pointed at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import websockets

from gateway.hosts import Hosts
from tests.gateway.conftest import Running

EVIL = "evil.example"


@pytest.mark.parametrize(
    ("listens_on", "names", "host", "allowed"),
    [
        ("127.0.0.1", [], "127.0.0.1:8080", True),
        ("127.0.0.1", [], "localhost", True),
        ("127.0.0.1", [], "LocalHost:8080", True),
        ("127.0.0.1", [], "iskra.localhost:8080", True),
        ("127.0.0.1", [], "[::1]:8080", True),
        ("127.0.0.1", [], "192.168.0.7:8080", True),  # an address cannot be pointed elsewhere
        ("127.0.0.1", [], f"{EVIL}:8080", False),
        ("::1", [], EVIL, False),
        ("localhost", [], EVIL, False),
        ("127.0.0.1", [], "localhost.evil.example", False),
        ("127.0.0.1", [], "127.0.0.1.evil.example", False),
        ("127.0.0.1", [], "[", False),
        ("127.0.0.1", [], "", False),
        ("127.0.0.1", ["Iskra.example.org"], "iskra.example.org", True),
        ("127.0.0.1", ["iskra.example.org"], EVIL, False),
        ("0.0.0.0", [], EVIL, True),  # noqa: S104 - told, not bound
        ("0.0.0.0", ["iskra.example.org"], EVIL, False),  # noqa: S104 - told, not bound
    ],
)
def test_names_are_told_apart(listens_on: str, names: list[str], host: str, allowed: bool) -> None:
    """Addresses and localhost always, names as they are given; beyond loopback any, unless names are given."""
    assert Hosts(listens_on, names).allow([(b"host", host.encode())]) is allowed


def test_a_request_without_a_host_comes_from_no_browser() -> None:
    """HTTP/1.0 has none; of two, both must be ours."""
    assert Hosts("127.0.0.1", []).allow([])
    assert not Hosts("127.0.0.1", []).allow([(b"host", b"127.0.0.1"), (b"Host", EVIL.encode())])


@pytest.mark.kafka
def test_another_name_is_misdirected(spawn_gateway: Callable[..., Running], space: str) -> None:
    """421 for pages and points, no WebSocket; a name that is given is served."""
    gateway = spawn_gateway(namespaces=[space], hosts=["iskra.example.org"])

    async def connect(host: str) -> int:
        try:
            async with websockets.connect(f"ws://{host}:{gateway.port}/ws", host="127.0.0.1", origin=f"http://{host}:{gateway.port}"):  # type: ignore[arg-type]
                return 101
        except websockets.InvalidStatus as refused:
            return refused.response.status_code

    with gateway.client() as client:
        for host, status in ((EVIL, 421), ("iskra.example.org", 200), (f"127.0.0.1:{gateway.port}", 200)):
            assert client.get("/pulse", headers={"host": host}).status_code == status
        refused = client.post("/api/v1/points", json=[], headers={"host": EVIL})
        assert (refused.status_code, "--allow-host" in refused.json()["detail"]) == (421, True)
    assert asyncio.run(connect(EVIL)) == 403
    assert asyncio.run(connect("iskra.example.org")) == 101
