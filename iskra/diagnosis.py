"""What is wrong with an installation, and how to mend each finding: the checks behind `iskra doctor`."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from iskra import at_work, config_files
from iskra.findings import Finding, bad, good
from iskra.settings import CLICKHOUSE_PASSWORD_ENV, CLICKHOUSE_USER, DEFAULT_CLICKHOUSE, DEFAULT_KAFKA, clickhouse_password
from iskra.stack import jars, ports, probes
from iskra.stack.datadir import read_run
from iskra.stack.errors import MissingToolError, NotReachableError, StackError
from iskra.stack.topics import report
from schemas.topics import LIVE_NAMESPACE
from sinks.clickhouse import migrations
from sinks.clickhouse.settings import database

WEB = Path(__file__).resolve().parent.parent / "gateway" / "web" / "dist" / "index.html"
LEAST_NODE = 20
LEAST_FREE_BYTES = 2 * 1024**3
"""Seven days of points of a small installation; below, the broker stops taking writes when the disk is full."""
ANSWER_TIMEOUT_S = 3.0

NODE_HINT = "apt-get install -y nodejs npm (version 20 or newer), then make setup"


class Diagnosis:
    """The checks of one installation.

    Args:
        data: data directory. kafka, clickhouse: addresses; None takes those of the instance that runs in `data`, else the
        defaults. namespace: whose topics and tables are looked at. config: directory of the configuration. port: the gateway's.
    """

    def __init__(
        self,
        *,
        data: Path,
        kafka: str | None,
        clickhouse: str | None,
        namespace: str,
        config: Path | None,
        port: int,
        partitions: int | None,
    ) -> None:
        self.data = data
        self.run: dict[str, Any] | None = read_run(data.resolve())
        urls = self.run["urls"] if self.run else {}
        self.embedded = kafka is None
        self.kafka = kafka or urls.get("kafka") or DEFAULT_KAFKA
        self.clickhouse = clickhouse or urls.get("clickhouse") or DEFAULT_CLICKHOUSE
        self.gateway: str | None = urls.get("gateway")
        self.namespace = namespace
        self.config = config
        self.port = port
        self.partitions = partitions

    def findings(self) -> Iterator[Finding]:
        """All checks, from the machine to the data; each takes at most a few seconds."""
        yield self.python()
        if self.embedded:
            yield self.java()
            yield self.broker_jars()
        yield self.web()
        yield self.directory()
        yield self.gateway_port()
        yield self.configuration()
        yield from self.parts()
        yield from self.broker()
        yield from self.store()

    def python(self) -> Finding:
        """The interpreter's version."""
        version = ".".join(map(str, sys.version_info[:3]))
        if sys.version_info[:2] == (3, 11):
            return good("python", version)
        return bad("python", f"{version}, expected 3.11", "make setup makes an environment with Python 3.11")

    def java(self) -> Finding:
        """The Java that runs the embedded broker."""
        try:
            path = jars.java()
        except MissingToolError as error:
            what, _, how = str(error).partition(": ")
            return bad("java", what, how)
        version = jars.java_version(path)
        if version < jars.LEAST_JAVA:
            return bad("java", f"{path} is version {version}, expected {jars.LEAST_JAVA} or newer", jars.JAVA_HINT.partition(": ")[2])
        return good("java", f"{version} ({path})")

    def broker_jars(self) -> Finding:
        """The broker's jars, or Maven, which fetches them."""
        if os.environ.get(jars.JARS_ENV) or (jars.LIBS / ".pom.sha256").exists():
            return good("kafka jars", os.environ.get(jars.JARS_ENV) or str(jars.LIBS))
        maven = shutil.which("mvn")
        if maven is None:
            return bad(
                "kafka jars", "absent, and so is Maven, which fetches them", jars.MAVEN_HINT.partition(": ")[2] + ", then make setup"
            )
        return bad("kafka jars", "absent", "make setup (the first iskra up fetches them, too)")

    def web(self) -> Finding:
        """The built pages, or Node, which builds them."""
        if WEB.exists():
            return good("web build", str(WEB.parent))
        node = shutil.which("node")
        if node is None:
            return bad("web build", "absent, and so is Node, which makes it", NODE_HINT)
        said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        if int(said.lstrip("v").split(".")[0] or "0") < LEAST_NODE:
            return bad("web build", f"absent, and Node {said} is too old to make it", NODE_HINT)
        return bad("web build", "absent: the pages cannot be shown", "make setup")

    def directory(self) -> Finding:
        """Whether the data directory can be written and has room."""
        place = self.data.resolve()
        while not place.exists():
            place = place.parent
        if not os.access(place, os.W_OK):
            return bad("data directory", f"{place} cannot be written", "choose another one with --data")
        free = shutil.disk_usage(place).free
        if free < LEAST_FREE_BYTES:
            return bad(
                "data directory", f"{free / 1e9:.1f} GB are free at {place}, expected 2", "make room, or choose another disk with --data"
            )
        return good("data directory", f"{self.data.resolve()}, {free / 1e9:.0f} GB free")

    def gateway_port(self) -> Finding:
        """The gateway: that of the running instance, or whether its port is free for one."""
        if self.gateway is not None:
            if probes.answers(f"{self.gateway}/readyz", ANSWER_TIMEOUT_S):
                return good("gateway", f"{self.gateway} is ready")
            return bad(
                "gateway", f"{self.gateway}/readyz does not say ready", f"look into {self.data / 'logs' / 'gateway.log'}", unreachable=True
            )
        if ports.is_free(self.port):
            return good("gateway", f"does not run; port {self.port} is free")
        return bad("gateway", f"port {self.port} is taken by another program", "iskra up --port N with another one")

    def parts(self) -> Iterator[Finding]:
        """The workers, sinks and notifiers of the running instance."""
        if self.run is not None:
            yield from at_work.parts(self.run, self.data)

    def configuration(self) -> Finding:
        """Whether the configuration is valid."""
        try:
            config = config_files.load_all(self.config)
        except config_files.ConfigError as error:
            return bad("configuration", str(error), "mend the line, then iskra config check")
        return good("configuration", f"valid, {len(config.metrics)} metrics with a ladder")

    def broker(self) -> Iterator[Finding]:
        """The broker, its topics against the registry, and whether workers keep pace with the points."""
        try:
            reports = report(self.kafka, self.namespace, self.partitions, timeout=ANSWER_TIMEOUT_S)
        except NotReachableError as error:
            yield bad("broker", str(error), "iskra up, or name yours with --kafka", unreachable=True)
            return
        except StackError as error:
            yield bad("broker", str(error), "look into the broker's log")
            return
        yield good("broker", f"{self.kafka} answers")
        for one in reports:
            check = f"topic {one.name}"
            if not one.findings:
                yield good(check, f"{one.partitions} partitions, as registered")
            elif one.partitions is None:
                yield bad(check, "absent", "iskra topics --create")
            elif one.partitions != one.expected_partitions:
                mend = "start with --partitions as the topics have it, or move to another --namespace: a count cannot be changed in place"
                yield bad(check, "; ".join(one.findings), mend)
            else:
                yield bad(check, "; ".join(one.findings), f"set it back on the broker: kafka-configs.sh --alter --topic {one.name}")
        if reports[0].partitions is not None:
            run = self.run if self.embedded else None
            expected = run is not None and self.namespace in run["namespaces"]
            yield at_work.workers(self.kafka, self.namespace, self.data, expected=expected)

    def store(self) -> Iterator[Finding]:
        """ClickHouse, and the tables of the namespace."""
        if not probes.answers(f"{self.clickhouse.rstrip('/')}/ping", ANSWER_TIMEOUT_S):
            where = urlsplit(self.clickhouse).netloc or self.clickhouse
            yield bad("clickhouse", f"{where} does not answer", "iskra up, or name yours with --clickhouse", unreachable=True)
            return
        try:
            version = self._query("SELECT version()")
            yield good("clickhouse", f"{self.clickhouse} answers, version {version[0]}")
            wanted = {str(migration.number) for migration in migrations.load(live=self.namespace == LIVE_NAMESPACE)}
            name = database(self.namespace)
            if self._query(f"SELECT count() FROM system.tables WHERE database = '{name}' AND name = 'migrations'") == ["0"]:  # noqa: S608
                yield bad("tables", f"database {name} has none yet", f"iskra sink clickhouse --namespace {self.namespace} makes them")
                return
            missing = wanted - set(self._query(f"SELECT number FROM {name}.migrations"))  # noqa: S608 - letters, digits and _ alone
            if missing:
                yield bad("tables", f"{name} lacks migration {', '.join(sorted(missing))}", "restart iskra sink clickhouse: it migrates")
            else:
                yield good("tables", f"database {name}, {len(wanted)} migrations applied")
        except (OSError, http.client.HTTPException) as error:
            yield bad("clickhouse", f"{self.clickhouse} broke off: {error}", "look into the store's log", unreachable=True)
        except PermissionDeniedError as error:
            yield bad("clickhouse", str(error), f"set {CLICKHOUSE_PASSWORD_ENV}, or name the data directory of the instance with --data")

    def _query(self, sql: str) -> list[str]:
        """The first column of a query's answer, as text."""
        parts = urlsplit(self.clickhouse)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=ANSWER_TIMEOUT_S)
        user = os.environ.get("ISKRA_CLICKHOUSE_USER", CLICKHOUSE_USER)
        headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": clickhouse_password(self.data)}
        try:
            connection.request("POST", "/", body=f"{sql} FORMAT TabSeparated".encode(), headers=headers)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace").strip()
        finally:
            connection.close()
        if answer.status in (401, 403):
            raise PermissionDeniedError(f"{self.clickhouse} refuses the user {user}")
        if answer.status != 200:
            raise http.client.HTTPException(text.splitlines()[0] if text else f"status {answer.status}")
        return [line.split("\t")[0] for line in text.splitlines()]


class PermissionDeniedError(Exception):
    """ClickHouse refuses the user or the password."""
