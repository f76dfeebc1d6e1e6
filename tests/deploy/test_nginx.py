"""nginx with the configuration of the deployment, in front of a real gateway: ports are moved, nothing else."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import websockets

from gateway.settings import Limits
from iskra.stack import children, ports
from tests.deploy.conftest import Processes
from tests.deploy.files import DEPLOY, services
from tests.deploy.waiting import eventually

FOLDER = DEPLOY / "nginx"


class Nginx:
    """A running nginx: its ports here by those in the container."""

    def __init__(self, by_port: dict[int, int]) -> None:
        self.by_port = by_port

    def url(self, port: int, path: str = "", scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.by_port[port]}{path}"


def _moved(folder: Path, upstream: int, by_port: dict[int, int]) -> Path:
    """A copy of the configuration with other ports and another place for temporary files."""
    for file in FOLDER.glob("*.conf"):
        text = file.read_text().replace("gateway:8080", f"127.0.0.1:{upstream}").replace("/tmp/", f"{folder}/tmp/")  # noqa: S108 - replaced
        text = text.replace("/etc/nginx/tls/", f"{folder}/tls/").replace("/run/secrets/", f"{folder}/")
        for old, new in by_port.items():
            text = re.sub(rf"listen {old}\b", f"listen 127.0.0.1:{new}", text)
        (folder / file.name).write_text(text)
    (folder / "tmp").mkdir(exist_ok=True)
    (folder / "tls").mkdir(exist_ok=True)
    (folder / "tls.conf").rename(folder / "tls" / "tls.conf")
    subject = ["-subj", "/CN=localhost", "-days", "2", "-newkey", "rsa:2048", "-nodes"]
    files = ["-keyout", str(folder / "tls_key"), "-out", str(folder / "tls_certificate")]
    subprocess.run(["openssl", "req", "-x509", *subject, *files], check=True, capture_output=True)
    # locations are looked for beside the main file; in the container tls.conf stands elsewhere, and so it does here
    return folder / "nginx.conf"


@contextmanager
def _running(folder: Path, upstream: int) -> Iterator[Nginx]:
    folder.chmod(0o755)
    by_port = {port: ports.free_port() for port in (8080, 3001, 8443)}
    conf = _moved(folder, upstream, by_port)
    checked = subprocess.run(["nginx", "-t", "-c", str(conf)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    log = folder / "nginx.log"
    process = children.spawn(["nginx", "-c", str(conf), "-g", "daemon off;"], log=log)
    nginx = Nginx(by_port)

    def up() -> bool:
        assert process.poll() is None, children.tail(log, 3)
        try:
            return httpx.get(nginx.url(8080, "/nginx-health"), timeout=5).text == "ok\n"
        except httpx.TransportError:
            return False

    try:
        eventually(up, "nginx")
        yield nginx
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def nginx(processes: Processes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx in front of the gateway."""
    with _running(tmp_path_factory.mktemp("nginx"), processes.gateway) as running:
        yield running


def test_the_configuration_is_accepted_as_it_stands() -> None:
    """`nginx -t` over the very files, paths and ports that the container has."""
    checked = subprocess.run(["nginx", "-t", "-c", str(FOLDER / "nginx.conf")], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_the_container_runs_these_files() -> None:
    """Folder and command of docker-compose.yml fit each other, and each published port is listened on."""
    service = services()["nginx"]
    assert "./deploy/nginx:/etc/nginx/iskra:ro" in service["volumes"]
    assert service["command"][:2] == ["-c", "/etc/nginx/iskra/nginx.conf"]
    text = (FOLDER / "nginx.conf").read_text()
    for port in service["ports"]:
        assert f"listen {port.split(':')[2]};" in text


@pytest.mark.kafka
@pytest.mark.store
@pytest.mark.parametrize("port", [8080, 3001])
def test_pages_pass_through(nginx: Nginx, processes: Processes, port: int) -> None:
    """/ leads to Pulse, on the address that the browser used; the page is the gateway's own."""
    home = httpx.get(nginx.url(port, "/"), timeout=30)
    assert (home.status_code, home.headers["location"]) == (302, "/pulse")
    page = httpx.get(nginx.url(port, "/pulse"), timeout=30)
    direct = httpx.get(f"http://127.0.0.1:{processes.gateway}/pulse", timeout=30)
    assert (page.status_code, page.content) == (direct.status_code, direct.content)
    assert page.headers.get("content-security-policy") == direct.headers.get("content-security-policy")


@pytest.mark.kafka
@pytest.mark.store
def test_answers_bear_security_headers_once(nginx: Nginx) -> None:
    """On pages and on the API, errors included."""
    for path in ("/pulse", "/api/slo/status", "/no/such/page"):
        headers = httpx.get(nginx.url(8080, path), timeout=30).headers
        assert headers.get_list("x-content-type-options") == ["nosniff"]
        assert headers.get_list("referrer-policy") == ["no-referrer"]
        assert headers.get_list("x-frame-options") == ["DENY"]
        assert "nginx/" not in headers["server"]


@pytest.mark.kafka
@pytest.mark.store
def test_points_and_state_pass_through(nginx: Nginx) -> None:
    """A point is taken, and its status read, through the proxy."""
    point = {"subject": "through-nginx", "metric": "clarity", "value": 0.8, "ts": 1_760_000_000_000}
    answer = httpx.post(nginx.url(8080, "/api/v1/points"), json=point, timeout=30)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)

    def read() -> bool:
        items = httpx.get(nginx.url(8080, "/api/slo/status?subject=through-nginx"), timeout=30).json()["items"]
        return [item["metric"] for item in items] == ["clarity"]

    assert eventually(read, "status")


@pytest.mark.kafka
@pytest.mark.store
def test_long_answers_are_packed(nginx: Nginx) -> None:
    """The API's description is large and JSON: it comes as gzip to who asks for it."""
    with httpx.stream("GET", nginx.url(8080, "/api/docs/openapi.json"), headers={"accept-encoding": "gzip"}, timeout=30) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw))["openapi"]


@pytest.mark.kafka
@pytest.mark.store
def test_figures_are_not_for_outside(nginx: Nginx) -> None:
    """/metrics is for Prometheus, which asks the gateway itself."""
    assert httpx.get(nginx.url(8080, "/metrics"), timeout=30).status_code == 404


@pytest.mark.kafka
@pytest.mark.store
@pytest.mark.parametrize(("port", "scheme"), [(8080, "http"), (3001, "http"), (8443, "https")])
def test_websockets_pass_through(nginx: Nginx, port: int, scheme: str) -> None:
    """A page of the very host and port may open /ws, also over TLS; one of another host may not."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE

    async def hello(origin: str) -> str:
        tls = context if scheme == "https" else None
        url = nginx.url(port, "/ws", scheme.replace("http", "ws"))
        async with websockets.connect(url, additional_headers={"Origin": origin}, ssl=tls) as socket:
            first: str = json.loads(await socket.recv())["type"]
            return first

    assert asyncio.run(hello(nginx.url(port, scheme=scheme))) == "hello"
    with pytest.raises(websockets.exceptions.InvalidStatus):
        asyncio.run(hello("http://elsewhere.example"))


@pytest.mark.kafka
@pytest.mark.store
def test_tls_serves_the_pages(nginx: Nginx) -> None:
    """HTTPS with the certificate from the secrets, and browsers are told to stay with it."""
    page = httpx.get(nginx.url(8443, "/pulse", "https"), verify=False, timeout=30)  # noqa: S501 - its own certificate
    assert page.status_code == httpx.get(nginx.url(8080, "/pulse"), timeout=30).status_code
    assert page.headers["strict-transport-security"]


def test_bodies_may_be_as_large_as_the_gateway_takes() -> None:
    """nginx's limit is the gateway's."""
    assert f"client_max_body_size {Limits().body // 1024 // 1024}m;" in (FOLDER / "nginx.conf").read_text()


def test_events_come_one_by_one(tmp_path: Path) -> None:
    """A stream of events is not held back: the first is here while the second has not been written yet."""
    seen = threading.Event()

    class Upstream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.wfile.write(b"data: first\n\n")
            self.wfile.flush()
            if seen.wait(60):
                self.wfile.write(b"data: second\n\n")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with _running(tmp_path, server.server_port) as running:
            url = running.url(8080, "/api/seams/realtime")
            with httpx.stream("GET", url, headers={"accept-encoding": "gzip"}, timeout=30) as answer:
                lines = answer.iter_lines()
                assert next(lines) == "data: first"
                seen.set()
                assert [line for line in lines if line] == ["data: second"]
    finally:
        seen.set()
        server.shutdown()
        thread.join()
        server.server_close()
