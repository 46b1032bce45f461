"""Commands that consist of several sweeps: a YAML file with ``parts``.

    parts:
      - {sweep: amazon, set: {data.split: A}}
      - {sweep: mnli, set: {data.num_sources: 4, data.draw: 0}, column: MNLI-4}
      - {sweep: mnli, set: {data.num_sources: 4, data.draw: 1}, column: MNLI-4}

Each part is an ordinary sweep with a folder of its own, such as ``table2-amazon-A``: the name of
the whole, of the part's sweep, and the values set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import model_validator

from doge_ray.config.load import (
    check,
    configure,
    find_sweep,
    known_keys,
    parse_pair,
)
from doge_ray.config.read import read_settings
from doge_ray.config.schema import NAME, RESERVED, SweepConfig
from doge_ray.config.section import Section, setting
from doge_ray.errors import InputError, nearest


class PartSettings(Section):
    """One of the sweeps."""

    sweep: str = setting(..., "a sweep in sweeps/, or the path of a YAML file")
    set: dict[str, Any] = setting({}, "settings in place of the sweep's own, by dotted key")
    name: str | None = setting(None, "unset: the sweep's name and the values set")
    column: str | None = setting(
        None, "result that the part belongs to; those of one column are averaged; unset: its name"
    )

    @model_validator(mode="after")
    def _addressable(self) -> PartSettings:
        for key, value in self.set.items():
            if isinstance(value, dict) and key in _sections():
                raise ValueError(f"set: write {key}.{next(iter(value), 'KEY')}: ... for {key}")
            if self.name is None and isinstance(value, dict | list):
                raise ValueError(f"set: {key}={value!r} makes no name; give the part a name")
        return self

    def short_name(self) -> str:
        """Unique within the file."""
        return self.name or "-".join([Path(self.sweep).stem, *map(str, self.set.values())])


class PartsSettings(Section):
    """The file."""

    name: str = setting(..., "prefix of all parts' names", pattern=NAME)
    parts: tuple[PartSettings, ...] = setting(..., "the sweeps, in their order", min_length=1)


@dataclass(frozen=True)
class Part:
    """A sweep, and the column that its result belongs to."""

    config: SweepConfig
    column: str


@dataclass(frozen=True)
class Parts:
    """Several sweeps in one storage."""

    name: str
    storage: str
    parts: tuple[Part, ...]


def load_parts(name: str, overrides: Sequence[str] = ()) -> Parts | None:
    """Read a file with parts; None where it is an ordinary sweep.

    Args:
        name: as for ``load_config``.
        overrides: ``key=value`` is set in every part, ``PART:key=value`` in the parts of that name
            or of that sweep; ``name=`` renames the whole.

    Raises:
        InputError: as for ``load_config``; parts of equal names or in different storages.
    """
    path = find_sweep(name)
    settings = read_settings(path)
    if "parts" not in settings:
        return None
    renames = [pair for pair in overrides if pair.startswith("name=")]
    settings |= {"name": path.stem} | settings | dict(map(parse_pair, renames))
    wanted = check(PartsSettings, settings, str(path), _keys())
    shared = [pair for pair in overrides if pair not in renames]
    _check_addresses(wanted.parts, shared)
    parts = tuple(_part(part, wanted.name, shared, path) for part in wanted.parts)
    _check_names(wanted, parts, path)
    return Parts(wanted.name, parts[0].config.storage, parts)


def sweep_files(name: str) -> dict[str, Path]:
    """The YAML files that a sweep is read from, its parts' too, by the names they are given."""
    files = {name: find_sweep(name)}
    for part in read_settings(files[name]).get("parts", ()):
        files[part["sweep"]] = find_sweep(part["sweep"])
    return files


def _part(part: PartSettings, whole: str, overrides: Iterable[str], path: Path) -> Part:
    short = part.short_name()
    pairs = [*part.set.items()]
    for override in overrides:
        address, pair = _address(override)
        if address in (None, short, part.sweep):
            pairs.append(parse_pair(pair))
    try:
        file = find_sweep(part.sweep)
    except InputError as error:
        raise InputError(f"{path}, part {short}: {error}") from None
    place = f"{path}, part {short} ({file})"
    config = configure(file, [*pairs, ("name", f"{whole}-{short}")], place)
    return Part(config, part.column or short)


def _address(override: str) -> tuple[str | None, str]:
    """The part that an override is for, and the override."""
    address, colon, pair = override.partition(":")
    return (address, pair) if colon and "=" not in address else (None, override)


def _check_addresses(parts: Iterable[PartSettings], overrides: Iterable[str]) -> None:
    known = {name for part in parts for name in (part.short_name(), part.sweep)}
    for override in overrides:
        address, _ = _address(override)
        if address is not None and address not in known:
            raise InputError(
                f"{override!r}: there is no part {address!r}{nearest(address, known)}; "
                f"there are: {', '.join(sorted(known))}"
            )


def _check_names(wanted: PartsSettings, parts: Sequence[Part], path: Path) -> None:
    if wanted.name in RESERVED:
        raise InputError(f"name={wanted.name!r} is the storage's own folder; choose another name")
    names = [part.config.name for part in parts]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{path}: two parts are named {name!r}; give one of them a name")
    storages = {part.config.storage for part in parts}
    if len(storages) > 1:
        raise InputError(
            f"{path}: its parts lie in {' and '.join(sorted(storages))}; "
            "give them one place with storage=FOLDER"
        )


def _sections() -> set[str]:
    return {key.partition(".")[0] for key in known_keys({}) if "." in key} | {"data"}


def _keys() -> set[str]:
    return {*PartsSettings.model_fields, *PartSettings.model_fields}
