"""Settings that had another name: it is still read, with one word to whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from doge_ray.config.data import DATA_SETS
from doge_ray.config.schema import SweepConfig
from doge_ray.config.section import Section, about
from doge_ray.errors import InputError
from doge_ray.terminal import write


@cache
def renamed_settings() -> dict[str, str]:
    """The dotted keys of settings that had another, by the old ones."""
    found = dict(_renamed(SweepConfig))
    for section in DATA_SETS.values():
        found |= dict(_renamed(section, "data."))
    return found


def with_new_names(settings: dict[str, Any], place: str, *, say: bool = False) -> dict[str, Any]:
    """The settings of a sweep, each under its present name.

    Args:
        settings: as they were written.
        place: where, for errors.
        say: whether to print that a name is old.

    Raises:
        InputError: a setting is given under both its names.
    """
    for old, new in renamed_settings().items():
        section, _, leaf = old.rpartition(".")
        inside = settings.get(section) if section else settings
        if not isinstance(inside, dict) or leaf not in inside:
            continue
        present = new.rpartition(".")[2]
        if present in inside:
            raise InputError(f"{place}: {old} is the old name of {new}; give {new} alone")
        if say:
            say_renamed(old)
        moved = {present if key == leaf else key: value for key, value in inside.items()}
        settings = settings | {section: moved} if section else moved
    return settings


@cache
def say_renamed(old: str) -> None:
    """Print the present name of a setting, once in a process."""
    write(f"{old} is now {renamed_settings()[old]}; the old name is still read", error=True)


def _renamed(section: type[Section], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from _renamed(field.annotation, f"{prefix}{name}.")
        elif was := about(field).was:
            yield prefix + was, prefix + name
