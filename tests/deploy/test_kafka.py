"""The broker of docker-compose.yml, run by hand: the image's own start program makes its settings, Kafka starts with them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from iskra.stack import children, jars, ports
from iskra.stack.errors import NotReachableError
from iskra.stack.topics import ensure_topics, report
from schemas.topics import TOPICS
from tests.deploy.files import services
from tests.deploy.waiting import eventually

pytestmark = pytest.mark.kafka
PARTITIONS = int(services()["worker-1"]["environment"]["ISKRA_PARTITIONS"])


def test_starts_with_the_settings_of_compose(tmp_path: Path) -> None:
    """The image's start program accepts them, and the broker takes every topic of the registry with 12 partitions."""
    environment = {key: str(value) for key, value in services()["kafka"]["environment"].items()}
    plain, host, controller = ports.free_port(), ports.free_port(), ports.free_port()
    changed = {"9092": plain, "9094": host, "9093": controller}
    for key in ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS", "KAFKA_CONTROLLER_QUORUM_VOTERS"):
        for old, new in changed.items():
            environment[key] = environment[key].replace(f":{old}", f":{new}")
        environment[key] = environment[key].replace("kafka:", "127.0.0.1:").replace("//:", "//127.0.0.1:")
    environment["KAFKA_LOG_DIRS"] = str(tmp_path / "data")
    for folder in ("defaults", "mounted", "final", "data"):
        (tmp_path / folder).mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (tmp_path / "defaults" / name).write_text("")
    java = [
        jars.java(),
        "-cp",
        os.pathsep.join(map(str, jars.ensure_jars())),
        f"-Dlog4j2.configurationFile={jars.KAFKA_DIR}/log4j2.properties",
    ]
    folders = [
        f"--{what}-configs-dir={tmp_path / where}" for what, where in (("default", "defaults"), ("mounted", "mounted"), ("final", "final"))
    ]
    setup = subprocess.run(
        [*java, "kafka.docker.KafkaDockerWrapper", "setup", *folders],
        env={**environment, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert setup.returncode == 0, setup.stderr
    settings = (tmp_path / "final" / "server.properties").read_text()
    assert "auto.create.topics.enable=false" in settings
    log = tmp_path / "kafka.log"
    heap = environment["KAFKA_HEAP_OPTS"].split()
    broker = children.spawn([*java, *heap, "kafka.Kafka", str(tmp_path / "final" / "server.properties")], log=log, cwd=tmp_path)
    try:
        # through the listener that is published for this machine
        kafka = f"127.0.0.1:{host}"

        def made() -> bool:
            assert broker.poll() is None, children.tail(log, 5)
            try:
                ensure_topics(kafka, "iskra", PARTITIONS)
            except NotReachableError:
                return False
            return True

        eventually(made, "topics")
        found = report(kafka, "iskra", PARTITIONS)
        assert [one.findings for one in found] == [[]] * len(TOPICS)
    finally:
        broker.terminate()
        assert broker.wait(60) in {0, 143}  # 143: how Java ends on SIGTERM, after its orderly stop
