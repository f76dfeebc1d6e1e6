"""YAML with exact errors: each names file, line, field and what was expected."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from schemas.durations import decode_hook

_PATH_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\[(\d+|\.\.\.)\]")
Model = TypeVar("Model")


class ConfigError(ValueError):
    """A configuration that is refused as a whole; the text is `FILE:LINE: FIELD: what was expected`."""


def read(file: Path, expected: str = "expected a file that can be read") -> str:
    """The text of a file; `expected` is told where it cannot be had.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}:1: {error.strerror}; {expected}") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: expected text in UTF-8, got the byte 0x{raw[error.start]:02x}") from None


def compose(text: str, name: str) -> tuple[Any, Any]:
    """The YAML's nodes (for lines) and its data; `name` stands for the file in errors.

    Raises:
        ConfigError: it is no YAML, is nested too deeply, or has a key twice.
    """
    line = 1
    try:
        loader = yaml.SafeLoader(text)
        try:
            root = loader.get_single_node()
            data = None if root is None else loader.construct_document(root)
        finally:
            line = int(loader.line) + 1
        refuse_duplicate_keys(root, name)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{name}:{mark.line + 1 if mark else 1}: {getattr(error, 'problem', None) or error}") from None
    except RecursionError:
        raise ConfigError(f"{name}:{line}: expected lists and mappings nested less deeply") from None
    return root, data


def convert(data: Any, model: type[Model], at: list[str], root: Any, name: str) -> Model:
    """`data`, which stands at the path `at` of the file, as `model`."""
    try:
        return msgspec.convert(data, model, dec_hook=decode_hook)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at `")
        steps = at + [key or index for key, index in _PATH_STEP.findall(path.rstrip("`"))]
        unknown = re.search(r"unknown field `(.+?)`", what)
        if unknown:
            steps.append(unknown[1])
        raise ConfigError(f"{name}:{line_of(root, steps)}: {'.'.join(steps) or 'file'}: {what}") from None


def line_of(node: Any, steps: list[str]) -> int:
    """The line (from 1) of the deepest node on the path that exists; wildcards stay at their parent."""
    return place_of(node, steps)[0]


def place_of(node: Any, steps: list[str]) -> tuple[int, int]:
    """Line and column (from 1) of the deepest key or item on the path that exists; wildcards stay at their parent."""
    place = (1, 1) if node is None else _start(node)
    for step in steps:
        if isinstance(node, yaml.MappingNode):
            pair = next(((k, v) for k, v in node.value if k.value == step), None)
            if pair is None:
                return place
            place, node = _start(pair[0]), pair[1]
        elif isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
            node = node.value[int(step)]
            place = _start(node)
        else:
            return place
    return place


def _start(node: Any) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def refuse_duplicate_keys(node: Any, name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise ConfigError(f"{name}:{key.start_mark.line + 1}: {key.value}: expected once, stands here again")
            seen.add(key.value)
            refuse_duplicate_keys(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            refuse_duplicate_keys(item, name)
