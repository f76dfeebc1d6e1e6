"""`iskra config check|diff|push`: the configuration's files, against what runs, and into the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import msgspec

from iskra import config_files
from iskra.cli import BadInput, Unreachable
from iskra.settings import json_option, kafka_option, namespace_option
from schemas.config import Config, config_hash

directory_argument = click.argument("directory", required=False, type=click.Path(path_type=Path), metavar="[DIR]")


def _load(directory: Path | None, load: Callable[[Path | None], Config] = config_files.load) -> Config:
    try:
        return load(directory)
    except config_files.ConfigError as error:
        raise BadInput(str(error)) from None


def _say(as_json: bool, document: dict[str, Any], text: str) -> None:
    click.echo(msgspec.json.encode(document).decode() if as_json else text)


@click.group()
def command() -> None:
    """Check the configuration in DIR (default: the one that comes with Iskra), compare it with what runs, publish it.

    Example: iskra config check config
    """


@command.command(epilog="Example: iskra config check config")
@directory_argument
@json_option
def check(directory: Path | None, as_json: bool) -> None:
    """Exit 0 if the files are valid, also those of notifications and scenarios, else 2 with file, line, field and what was expected.

    Secrets that notify.yml names are not asked for: they belong to where it runs.
    """
    config = _load(directory, config_files.load_all)
    name = config_hash(config)
    metrics = list(config.metrics)
    _say(as_json, {"valid": True, "hash": name, "metrics": metrics}, f"valid: {name}, metrics {', '.join(metrics)}")


@command.command(epilog="Example: iskra config diff config --kafka 127.0.0.1:9092")
@directory_argument
@kafka_option
@namespace_option
@json_option
def diff(directory: Path | None, kafka: str, namespace: str, as_json: bool) -> None:
    """What would change against the last marker of each partition. Exit 0: nothing, 1: something. Durations in ms."""
    from iskra import published_config
    from iskra.stack.errors import NotReachableError

    config = _load(directory)
    name = config_hash(config)
    try:
        running = published_config.in_force(kafka, namespace)
        bodies = {other: published_config.body(kafka, namespace, other) for other in set(running.values()) if other not in (None, name)}
    except NotReachableError as error:
        raise Unreachable(str(error)) from None
    lines = [] if set(running.values()) == {name} else [f"files: {name}"]
    changes: list[dict[str, Any]] = []
    for other in dict.fromkeys(running.values()):
        if other == name:
            continue
        where = "partition " + ", ".join(str(partition) for partition, found in running.items() if found == other)
        old = bodies.get(other or "")
        if other is None:
            lines.append(f"{where}: no configuration named yet")
        elif old is None:
            lines.append(f"{where}: {other}, whose body is not on the topic")
        else:
            found = published_config.differences(old, config)
            lines.append(f"{where}: {other}{'' if found else ', the same settings for another version of the engine'}")
            lines += [f"  {path}: {before} → {after}" for path, before, after in found]
            changes += [{"running": other, "field": path, "before": before, "after": after} for path, before, after in found]
    same = not lines
    document = {"hash": name, "running": {str(partition): found for partition, found in running.items()}, "same": same, "changes": changes}
    _say(as_json, document, "\n".join(lines) or f"nothing differs: {name} is in force")
    if not same:
        raise click.exceptions.Exit(1)


@command.command(epilog="Example: iskra config push config --kafka 127.0.0.1:9092")
@directory_argument
@kafka_option
@namespace_option
@json_option
def push(directory: Path | None, kafka: str, namespace: str, as_json: bool) -> None:
    """Publish it: from the marker in each partition on, verdicts are judged by it."""
    from iskra import published_config
    from iskra.stack.errors import NotReachableError

    config = _load(directory)
    try:
        offsets = published_config.publish(kafka, namespace, config)
    except NotReachableError as error:
        raise Unreachable(str(error)) from None
    name = config_hash(config)
    text = f"published {name}; in force from " + ", ".join(
        f"partition {partition} offset {offset}" for partition, offset in offsets.items()
    )
    _say(as_json, {"hash": name, "offsets": {str(partition): offset for partition, offset in offsets.items()}}, text)
