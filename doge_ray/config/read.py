"""YAML as it is written in sweep files and overrides: plain values, and none without end."""

from __future__ import annotations

import math
import reprlib
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from doge_ray.errors import InputError

# A wrong value may be a whole document.
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = 200
MOST_VALUES, DEEPEST = 10_000, 40
LARGEST = 1 << 20  # bytes of a file: YAML is read at a few MB a minute


class _StrictLoader(yaml.SafeLoader):
    """Reads plain values.

    Refuses a key that is given twice, of which YAML would keep the last, and references of
    references (``*a``) by which a few lines become a value without end.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.composer.ComposerError(
                problem=f"more than {DEEPEST} values inside each other",
                problem_mark=self.peek_event().start_mark,  # type: ignore[no-untyped-call]
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _written_out(node, {}) > MOST_VALUES:
            raise _refused(f"more than {MOST_VALUES} values, references written out", node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            _check_storable(value)
        # What the conversions of dates and numbers raise stands in no reference.
        except (ValueError, KeyError, IndexError, AttributeError, OverflowError):
            text = SHORT.repr(node.value)
            raise _refused(f"{text} is no {node.tag.rpartition(':')[2]}", node) from None
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused("a key is a word, not a list or a mapping", key)
            if key.value in seen:
                raise _refused(f"{key.value!r} is given twice; give it once", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _check_storable(value: Any) -> None:
    """Refuse half a character, and integers beyond any float: no file takes them."""
    if isinstance(value, str):
        value.encode()
    elif isinstance(value, int):
        float(value)


def _written_out(node: yaml.Node, known: dict[int, float]) -> float:
    """Values in a document without references; one that refers to itself has no end."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = math.inf
        parts = chain(*node.value) if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_written_out(part, known) for part in parts)
    return known[id(node)]


def _refused(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)


def read_yaml(text: str, what: str) -> Any:
    """One YAML document; ``what`` begins the error."""
    try:
        loader = _StrictLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise InputError(f"{what} not readable as YAML: {error}") from None


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping at the top of a YAML file."""
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path}: larger than {LARGEST >> 20} MiB, so it is no sweep's file")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML in UTF-8: {error}") from None
    settings = read_yaml(text, f"{path}:")
    if not isinstance(settings, dict):
        found = SHORT.repr(settings)
        raise InputError(f"{path}: expected settings as key: value, found {found}")
    return settings
