"""deploy/docker/Dockerfile: no engine builds it here, so its parts are checked and its commands run by hand."""

from __future__ import annotations

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from tests.deploy.files import DEPLOY, ROOT, services

DOCKERFILE = DEPLOY / "docker" / "Dockerfile"


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


INSTRUCTIONS = _instructions()


def test_images_are_pinned_and_stages_known() -> None:
    """Each stage begins with an image of a whole version; copies come from stages of this file."""
    stages = [value.split() for name, value in INSTRUCTIONS if name == "FROM"]
    for stage in stages:
        assert re.search(r":\d+\.\d+\.\d+", stage[0]), stage
    known = {stage[2] for stage in stages if len(stage) == 3}
    for name, value in INSTRUCTIONS:
        if name == "COPY" and value.startswith("--from="):
            assert value.split()[0].removeprefix("--from=") in known


def _copied() -> list[str]:
    return [source for name, value in INSTRUCTIONS if name == "COPY" and not value.startswith("--from=") for source in value.split()[:-1]]


@pytest.mark.parametrize("source", _copied())
def test_what_is_copied_is_there(source: str) -> None:
    """And is let through by the ignore file, which names what the image may be made of."""
    assert (ROOT / source).exists()
    allowed = [line[1:] for line in (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    assert any(source == name or source.startswith(f"{name}/") for name in allowed)


def test_every_package_is_in_the_image() -> None:
    """The top-level packages of pyproject.toml, the configuration that comes with them, and the pages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) | {"config"} <= set(_copied())
    assert ("COPY", "--from=web /web/dist gateway/web/dist") in INSTRUCTIONS


def test_no_data_and_no_secret_gets_into_the_image() -> None:
    """Everything is left out but what is named; secrets, data and history are not."""
    lines = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in lines
    allowed = [line[1:] for line in lines if line.startswith("!")]
    for path in ("deploy/docker/secrets/clickhouse_password", ".git/config", ".iskra/clickhouse.password", ".env"):
        assert not any(fnmatch(path, name) or path.startswith(f"{name}/") for name in allowed)


def test_runs_as_nobody_in_particular() -> None:
    """The last user is not root, and is the one that docker-compose.yml names."""
    users = [value for name, value in INSTRUCTIONS if name == "USER"]
    assert users[-1] == services()["worker-1"]["user"] == "10001:10001"


def test_the_lock_is_kept() -> None:
    """Dependencies are installed as locked, without the development tools, by a uv of one version."""
    runs = [value for name, value in INSTRUCTIONS if name == "RUN"]
    assert any(re.search(r"uv==\d+\.\d+\.\d+$", run) for run in runs)
    into_image = [run for run in runs if run.startswith("uv sync")]
    assert into_image
    assert all("--frozen" in run and "--no-dev" in run for run in into_image)


def test_the_entry_point_runs() -> None:
    """`iskra --help`, what the image does without a command, from a folder that cannot be written."""
    entry = [yaml.safe_load(value) for name, value in INSTRUCTIONS if name in {"ENTRYPOINT", "CMD"}]
    assert entry == [["iskra"], ["--help"]]
    program = Path(ROOT / ".venv" / "bin" / "iskra")
    said = subprocess.run([program, "--help"], cwd="/proc", capture_output=True, text=True, check=True).stdout
    assert "Exit codes" in said


def test_the_web_build_is_the_one_of_the_pages() -> None:
    """`npm run build` exists and writes dist, from files that the ignore file does not leave out."""
    package = yaml.safe_load((ROOT / "gateway" / "web" / "package.json").read_text())
    assert package["scripts"]["build"]
    node = re.search(r"FROM node:(\d+)", DOCKERFILE.read_text())
    assert node is not None
    assert int(node[1]) >= int(re.sub(r"\D.*", "", package["engines"]["node"].lstrip(">=")))
    assert (ROOT / "gateway" / "web" / "package-lock.json").exists()
