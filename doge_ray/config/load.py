"""From ``sweeps/NAME.yaml`` and ``key=value`` overrides to a checked ``SweepConfig``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from doge_ray.config.data import DATA_SETS
from doge_ray.config.places import beside, check_path
from doge_ray.config.read import SHORT, read_settings, read_yaml
from doge_ray.config.renames import renamed_settings, say_renamed, with_new_names
from doge_ray.config.schema import NAME, SweepConfig
from doge_ray.config.section import Section
from doge_ray.errors import InputError, nearest
from doge_ray.shipped import SWEEPS

S = TypeVar("S", bound=Section)
_DOMAINS = ("set", "source_domains", "target_domains", "num_sources", "types")
_OTHER_DATA = {"data", *(f"data.{key}" for key in _DOMAINS)}
MOST_PROBLEMS = 20
SWEEP_FOLDERS = Path("sweeps"), SWEEPS
"""One's own, in the working directory, before the shipped."""


def load_config(name: str, overrides: Sequence[str] = ()) -> SweepConfig:
    """Read a sweep file and apply dotted overrides.

    Args:
        name: a path to a YAML file, or NAME for ``sweeps/NAME.yaml`` here or as shipped.
        overrides: ``key=value``; the value is read as YAML. A key may be given by its last part
            where only one setting has that name (``split=B``).

    Raises:
        InputError: unknown file, key or value; names it, what is allowed and the nearest name.
    """
    path = find_sweep(name)
    return configure(path, map(parse_pair, overrides), str(path))


def configure(path: Path, pairs: Iterable[tuple[str, Any]], place: str) -> SweepConfig:
    """A sweep file with the given settings in place of its own; ``place`` stands in errors."""
    settings = read_settings(path)
    if "parts" in settings:
        raise InputError(f"{path} consists of several sweeps; name one of those it lists")
    # A section whose settings are all commented out is empty.
    settings = {key: value for key, value in settings.items() if value is not None}
    settings = with_new_names(settings, str(path), say=True)
    settings = beside(path, settings)
    settings.setdefault("name", path.stem)
    for key, value in pairs:
        full = _full_key(key, settings)
        if full in _OTHER_DATA:
            settings.pop("paper", None)  # it is of the file's own domains
        _assign(settings, full, value)
    config = validate(with_new_names(settings, place, say=True), place)
    _refuse_idle_gpus(config, place)
    return config


def _refuse_idle_gpus(config: SweepConfig, place: str) -> None:
    """What was started with more can still be read, and goes on with one."""
    gpus = config.resources.gpus_per_worker or 0
    if gpus > 1:
        raise InputError(
            f"{place}: resources.gpus_per_worker={gpus:g}: a worker computes on one GPU; choose 1, "
            "and resources.trial_workers=2 for a training that spans two"
        )


def validate(settings: dict[str, Any], place: str) -> SweepConfig:
    """Check a sweep's settings; ``place`` names their origin in the error."""
    settings = with_new_names(settings, place)
    keys = {*known_keys(settings), *SweepConfig.model_fields}
    return check(SweepConfig, settings, place, keys)


def check(section: type[S], settings: dict[str, Any], place: str, keys: Iterable[str]) -> S:
    """Settings as an instance of a section.

    Args:
        section: what they are settings of.
        settings: values by key, as YAML has them.
        place: where they stand, for messages.
        keys: all keys there are; the nearest one is named for a wrong one.

    Raises:
        InputError: one line per problem.
    """
    try:
        return section.model_validate(settings)
    except ValidationError as error:
        keys = set(keys)
        deepest = _deepest(error.errors())
        problems = [_explain(dict(problem), keys) for problem in deepest[:MOST_PROBLEMS]]
        if len(deepest) > MOST_PROBLEMS:
            problems.append(f"{len(deepest) - MOST_PROBLEMS} problems more")
        raise InputError(f"{place}: " + f"\n{place}: ".join(problems)) from None


def parse_pair(argument: str) -> tuple[str, Any]:
    """The key and the YAML value of ``key=value``."""
    key, equals, text = argument.partition("=")
    if not equals or not key or not key.isprintable() or text.startswith("="):
        raise InputError(f"{argument!r} is no setting; write key=value, as in train.patience=2")
    return key, _whole(text, f"{argument!r}: the value is")


def _whole(text: str, what: str) -> Any:
    """The YAML value of a text; nothing of it is a comment, as it would be in a file."""
    value, (before, *comment) = read_yaml(text, what), re.split(r"(?:^|\s)#", text, maxsplit=1)
    if not comment or _reads_differently(before, value, what):
        return value
    if value in (before.strip(), None):
        return text.strip()
    raise InputError(f"{what} followed by a comment, '#{comment[0]}'; leave it out, or quote it")


def _reads_differently(text: str, value: Any, what: str) -> bool:
    try:
        return bool(read_yaml(text, what) != value)
    except InputError:
        return True


def find_sweep(name: str) -> Path:
    """The file of a named sweep."""
    try:
        check_path(name)
    except ValueError as error:
        raise InputError(f"the sweep's name {SHORT.repr(name)} {error}") from None
    candidates = [Path(name), *(folder / f"{name}.yaml" for folder in SWEEP_FOLDERS)]
    for path in candidates:
        if path.suffix in (".yaml", ".yml") and path.is_file():
            return path
    names = sorted({path.stem for folder in SWEEP_FOLDERS for path in folder.glob("*.yaml")})
    raise InputError(
        f"no sweep named {name!r}; there are: {', '.join(names)}"
        f"{nearest(name, names)}; or give the path of a .yaml file"
    )


def check_name(name: str) -> str:
    """Refuse what is no name of a sweep, such as a path that leads out of the storage.

    Raises:
        InputError: says what is allowed.
    """
    if not re.fullmatch(NAME, name):
        raise InputError(
            f"{SHORT.repr(name)} is no name of a sweep; {_REMEDIES['string_pattern_mismatch']}"
        )
    return name


def known_keys(settings: dict[str, Any]) -> Iterator[str]:
    """Dotted keys of all settings, with the section of the data set at hand."""
    data = settings.get("data")
    name = data.get("set") if isinstance(data, dict) else None
    yield from _keys(SweepConfig, DATA_SETS.get(str(name)))


def _keys(section: type[Section], data: type[Section] | None, prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        nested = data if name == "data" else field.annotation
        if isinstance(nested, type) and issubclass(nested, Section):
            yield from _keys(nested, data, f"{prefix}{name}.")
        else:
            yield prefix + name


def _assign(settings: dict[str, Any], key: str, value: Any) -> None:
    *sections, leaf = key.split(".")
    for section in sections:
        settings = settings.setdefault(section, {})
        if not isinstance(settings, dict):
            raise InputError(f"{key}: {section} is a single value, it has no settings inside")
    settings[leaf] = value


def _full_key(key: str, settings: dict[str, Any]) -> str:
    """The present name of a key, completed where its last part alone is given."""
    key = re.sub(r"^data\[\w+\]", "data", key)  # as --help prints the settings of a data set
    keys = [*known_keys(settings), *renamed_settings()]
    if key not in keys and "." not in key and key not in SweepConfig.model_fields:
        matches = [known for known in keys if known.rsplit(".", 1)[-1] == key]
        if len(matches) > 1:
            raise InputError(f"{key}: several settings have that name: {', '.join(matches)}")
        key = matches[0] if matches else key
    if key in renamed_settings():
        say_renamed(key)
    return renamed_settings().get(key, key)


# pydantic puts the tag of the union member it tried into the location of an error.
_TAGS = {*DATA_SETS, "range", "list", "named"}


_REMEDIES = {
    "tuple_type": "write a list, as in {key}=[a, b]",
    "string_type": "input should be a valid string; YAML reads words such as no, yes, on, off, "
    "null, 2019 and 1.0 as other values: write it in quotes, as in 'no'; in a shell these stand "
    "within others, as in \"{key}='no'\"",
    "model_type": "write its settings inside it, as in train: {{patience: 2}}",
    "model_attributes_type": "write its settings inside it, as in data: {{set: amazon}}",
    "string_pattern_mismatch": "allowed are letters, digits, dots, underscores and hyphens, 128 "
    "at most, a dot not first",
    "float_parsing": "that is no number, nor a name that stands for numbers there",
}


def _deepest(problems: list[Any]) -> list[Any]:
    """Without what pydantic says of a whole whose part is wrong."""
    wholes = {
        problem["loc"][:length] for problem in problems for length in range(len(problem["loc"]))
    }
    return [problem for problem in problems if problem["loc"] not in wholes]


def _explain(problem: dict[str, Any], keys: set[str]) -> str:
    """One pydantic problem as: key, value, what is allowed."""
    key = ".".join(str(part) for part in problem["loc"] if part not in _TAGS)
    kind, value = problem["type"], problem["input"]
    shown = SHORT.repr(value)
    if kind == "extra_forbidden" and key in keys:
        section, _, name = key.rpartition(".")
        return f"unknown key {key!r}; in a file write it inside {section}, as in {name}: ..."
    if kind == "string_type" and value is None and not key[-1:].isdigit():
        return f"{key}: there is no value; write one, or leave the setting out"
    if kind == "extra_forbidden":
        return f"unknown key {key!r}{nearest(key, keys)}"
    if kind == "missing":
        return f"{key} is not set; it has no default"
    if kind.startswith("union_tag"):
        return f"data.set={SHORT.repr(value.get('set'))}; allowed: {', '.join(DATA_SETS)}"
    if kind in _REMEDIES and not (kind == "string_type" and isinstance(value, list | dict)):
        return f"{key}={shown}: {_REMEDIES[kind].format(key=key.rpartition('.')[2])}"
    message = problem["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return message if not key or message.startswith(key) else f"{key}: {message}"
    return f"{key}={shown}: {message[0].lower()}{message[1:]}"
