"""The reference that ``--help`` prints: every setting with meaning, unit, default, paper value."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from doge_ray.arguments import Parser
from doge_ray.config.data import DATA_SETS
from doge_ray.config.schema import SweepConfig
from doge_ray.config.search import Range
from doge_ray.config.section import Section, about


def sweep_parser(prog: str, description: str, overrides: str) -> argparse.ArgumentParser:
    """A command line that names a sweep and changes its settings; ``--help`` lists them all.

    Args:
        prog: how the command was called.
        description: what it does.
        overrides: which ``key=value`` it takes.
    """
    parser = Parser(
        prog=prog,
        description=description,
        epilog=reference(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "name", help="a sweep that doge-ray sweeps lists, or the path of a YAML file"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=overrides)
    return parser


def reference(section: type[Section] = SweepConfig) -> str:
    """All settings of a section, one paragraph each."""
    lines = ["settings:"]
    for key, field in _settings(section):
        lines.append(f"\n  {key}{_facts(field)}")
        lines += textwrap.wrap(
            field.description or "", 88, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return "\n".join(lines)


def _settings(section: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    for name, field in section.model_fields.items():
        if name == "data":
            for data_set, data in DATA_SETS.items():
                yield from _settings(data, f"data[{data_set}].")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _settings(field.annotation, f"{prefix}{name}.")
        elif name != "set":
            yield prefix + name, field


def _facts(field: FieldInfo) -> str:
    """`` = default [unit]; allowed; paper``."""
    said = about(field)
    default = field.get_default(call_default_factory=True)
    facts = "" if default is PydanticUndefined else f" = {_plain(default)}"
    facts += f" [{said.unit}]" if said.unit else ""
    if get_origin(field.annotation) is Literal:
        facts += f"  one of {', '.join(get_args(field.annotation))}"
    if said.paper is not None:
        facts += f"  (paper: {said.paper})"
    return facts


def _plain(value: Any) -> str:
    if isinstance(value, Range):
        log = ", log: true" if value.log else ""
        return f"{{low: {value.low:g}, high: {value.high:g}{log}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return "null" if value is None else str(value)
