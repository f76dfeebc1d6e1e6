"""docker-compose.yml: no engine runs it here, so everything that can be known without one is checked."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from compose_spec import PyCompose

from iskra import settings
from tests.deploy.files import COMPOSE, DEPLOY, ROOT, TLS, load, parsed, services

SERVICES = services()
LONG_RUNNING = sorted(set(SERVICES) - {"topics", "cli"})
OURS = sorted(name for name, service in SERVICES.items() if "build" in service)
MIB = {"M": 1, "G": 1024}
STORES = {"kafka", "clickhouse"}
"""They keep data, and their memory is page cache as well."""


@pytest.mark.parametrize("path", [COMPOSE, TLS], ids=lambda path: path.name)
def test_keeps_to_the_compose_specification(path: Path) -> None:
    """Keys, types and references are those of the Compose specification."""
    PyCompose.from_json(json.dumps(load(path))).validate()


def test_an_unknown_key_would_be_noticed() -> None:
    """The check above refuses a misspelt key."""
    broken = load(COMPOSE)
    broken["services"]["sink"]["restrat"] = "always"
    with pytest.raises(ValueError, match="restrat"):
        PyCompose.from_json(json.dumps(broken)).validate()


def test_has_every_part() -> None:
    """Broker, store, two workers, sink, notifier, gateway, reporter, pages' proxy, metrics, alerts, dashboards."""
    ours = {"worker-1", "worker-2", "sink", "notify", "gateway", "reporter"}
    assert ours | {"kafka", "clickhouse", "nginx", "prometheus", "alertmanager", "grafana"} == set(LONG_RUNNING)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned(name: str) -> None:
    """An image's tag begins with a whole version: two starts are the same software."""
    tag = SERVICES[name]["image"].rpartition(":")[2]
    assert re.match(r"v?\d+\.\d+\.\d+", tag), SERVICES[name]["image"]


def test_the_broker_is_the_one_that_the_tests_run() -> None:
    """The image's Kafka is the version that deploy/kafka/pom.xml resolves."""
    pom = (DEPLOY / "kafka" / "pom.xml").read_text()
    version = SERVICES["kafka"]["image"].rpartition(":")[2]
    assert f"<version>{version}</version>" in pom or f">{version}<" in pom


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_on_loopback(name: str) -> None:
    """Nothing is reachable from other machines unless it was asked for."""
    for port in SERVICES[name].get("ports", []):
        assert str(port).startswith("127.0.0.1:"), port


def test_ports_are_the_known_ones() -> None:
    """Grafana 3000, Pulse 3001, nginx 80, Prometheus 9090, Alertmanager 9093, Kafka 9094 for this machine, ClickHouse 8123."""
    outside = {name: sorted(int(port.split(":")[1]) for port in service.get("ports", [])) for name, service in SERVICES.items()}
    assert {name: found for name, found in outside.items() if found} == {
        "kafka": [9094],
        "clickhouse": [8123],
        "nginx": [80, 3001],
        "prometheus": [9090],
        "alertmanager": [9093],
        "grafana": [3000],
    }
    assert load(TLS)["services"]["nginx"]["ports"] == ["127.0.0.1:443:8443"]


@pytest.mark.parametrize("name", LONG_RUNNING)
def test_recovers_by_itself(name: str) -> None:
    """A service that ends is started again, and one that hangs is seen by a health check."""
    assert SERVICES[name]["restart"] == "unless-stopped"
    if name == "reporter":  # it serves nothing that could be asked
        assert "healthcheck" not in SERVICES[name]
    else:
        assert SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_memory_is_limited(name: str) -> None:
    """512 MiB a service at the most; what stores data gets more."""
    limit = SERVICES[name]["deploy"]["resources"]["limits"]["memory"]
    mib = int(limit[:-1]) * MIB[limit[-1]]
    assert mib <= (2048 if name in STORES else 512)


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_runs_with_little_power(name: str) -> None:
    """No root, no capabilities, no new privileges; a read-only root where the image allows it."""
    service = SERVICES[name]
    assert service["user"].split(":")[0] != "0"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # Kafka and Grafana write beside their volumes when they start
    assert service.get("read_only", False) == (name not in {"kafka", "grafana"})
    assert not service.get("privileged", False)


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [
            leaf for key, inner in value.items() for leaf in ([f"{key}={inner}"] if not isinstance(inner, (dict, list)) else _leaves(inner))
        ]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [str(value)]


def test_holds_no_secret() -> None:
    """Passwords are named by file alone, and the files are not under version control."""
    for leaf in _leaves(SERVICES):
        if re.search(r"password|secret|token", leaf, re.IGNORECASE):
            assert "/run/secrets/" in leaf or leaf in load(COMPOSE)["secrets"], leaf
    for secret in (load(COMPOSE)["secrets"] | load(TLS)["secrets"]).values():
        ignored = subprocess.run(["git", "check-ignore", "-q", secret["file"]], cwd=ROOT, check=False)
        assert ignored.returncode == 0, secret["file"]


def test_the_secrets_are_made_by_the_script(tmp_path: Path) -> None:
    """deploy/docker/secrets.sh makes each file that docker-compose.yml names, once, and keeps the folder private."""
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "docker" / "secrets.sh").read_bytes())
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == {Path(secret["file"]).name for secret in load(COMPOSE)["secrets"].values()}
    assert all(re.fullmatch(r"[0-9a-f]{48}", text) for text in made.values())
    assert len(set(made.values())) == len(made)
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    again = subprocess.run(["sh", str(script)], check=True, capture_output=True, text=True)
    assert again.stdout == ""
    assert {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()} == made


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_mounted_files_exist(name: str) -> None:
    """What is mounted from the checkout is there, and is mounted read-only; named volumes are declared."""
    declared = load(COMPOSE)["volumes"]
    for mount in SERVICES[name].get("volumes", []):
        source, _, rest = mount.partition(":")
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert rest.endswith(":ro")
        else:
            assert source in declared


@pytest.mark.parametrize("name", OURS)
def test_commands_are_ones_that_iskra_takes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each service's arguments and environment are read by the real command line."""
    service = SERVICES[name]
    for key, value in service["environment"].items():
        monkeypatch.setenv(key, str(value))
    arguments = [argument.replace("/etc/iskra", str(ROOT / "config")) for argument in service["command"]]
    if arguments == ["--help"]:
        with pytest.raises(click.exceptions.Exit):
            parsed(arguments)
    else:
        parsed(arguments)
    sources = "".join(path.read_text() for path in (ROOT / "iskra").rglob("*.py"))
    named = (ROOT / "config" / "notify.yml").read_text()  # the notifier reads what its configuration names
    for key in service["environment"]:
        assert f'"{key}"' in sources or f"_env: {key}}}" in named, f"nobody reads {key}"


def test_a_wrong_option_would_be_noticed() -> None:
    """The check above refuses an option that does not exist."""
    with pytest.raises(click.UsageError):
        parsed(["sink", "clickhouse", "--metrics-prot", "1"])


def test_the_password_of_clickhouse_is_read_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes find the password in the file that the environment names."""
    file = tmp_path / "clickhouse_password"
    file.write_text("s3cret\n")
    assert SERVICES["sink"]["environment"][settings.CLICKHOUSE_PASSWORD_FILE_ENV] == "/run/secrets/clickhouse_password"
    monkeypatch.delenv(settings.CLICKHOUSE_PASSWORD_ENV, raising=False)
    monkeypatch.setenv(settings.CLICKHOUSE_PASSWORD_FILE_ENV, str(file))
    assert settings.clickhouse_password() == "s3cret"


def test_workers_have_names_of_their_own() -> None:
    """Two workers of a group with one instance id would throw each other out."""
    ids = [service["command"][service["command"].index("--instance-id") + 1] for name, service in SERVICES.items() if "worker" in name]
    assert len(set(ids)) == len(ids) == 2


def test_prometheus_reads_services_that_exist() -> None:
    """Every target is a service of docker-compose.yml, at a port where it serves its figures."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    targets = {target for job in config["scrape_configs"] for group in job["static_configs"] for target in group["targets"]}
    watched = {"worker-1:9100", "worker-2:9100", "sink:9100", "gateway:8080"}
    ours = watched | {"notify:9100"}
    assert targets == ours | {"clickhouse:9363", "127.0.0.1:9090", "alertmanager:9093", "grafana:3000"}
    told = {argument.removeprefix("--metrics=http://").removesuffix("/metrics") for argument in SERVICES["reporter"]["command"][1:]}
    assert told == watched
    for target in ours:
        name, port = target.split(":")
        assert port in SERVICES[name]["command"], target
    assert "<port>9363</port>" in (DEPLOY / "clickhouse" / "server.xml").read_text()


def test_clickhouse_starts_with_its_passwords_from_files(tmp_path: Path) -> None:
    """The start command of ClickHouse is a shell program that hands both passwords over and becomes the server."""
    for name in ("clickhouse_password", "clickhouse_reader_password"):
        (tmp_path / name).write_text(f"of-{name}")
    server = tmp_path / "clickhouse-server"
    server.write_text('#!/bin/sh\necho "$1 $ISKRA_PASSWORD $READER_PASSWORD"\n')
    server.chmod(0o755)
    service = SERVICES["clickhouse"]
    script = service["command"][0].replace("$$", "$").replace("/run/secrets", str(tmp_path))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = subprocess.run([*service["entrypoint"], script], env=environment, capture_output=True, text=True, check=True).stdout
    assert said == "--config-file=/etc/clickhouse-server/config.xml of-clickhouse_password of-clickhouse_reader_password\n"
