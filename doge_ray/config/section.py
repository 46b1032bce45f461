"""What every group of settings is: documented fields, closed to unknown keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo


class About(NamedTuple):
    """What is said of a setting beside its meaning, default and limits.

    - ``unit``; ``paper``: what the paper used.
    - ``was``: an older name. It is still read, and identities hold it, so that they stay.
    - ``extensible``: whether it may differ when a sweep goes on, since neither a result nor the
      choices of a study depend on it; or a function that tells so from the whole section.
    - ``added``: it came when there were results already. Identities hold it where it is not the
      default, so that theirs stay.
    - ``place``: it says where something lies, and what lies there is part of identities instead.
    """

    unit: str = ""
    paper: Any = None
    was: str = ""
    extensible: bool | Callable[[Any], bool] = False
    added: bool = False
    place: bool = False


_NOTHING = About()


def setting(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    paper: Any = None,
    was: str = "",
    extensible: bool | Callable[[Any], bool] = False,
    added: bool = False,
    place: bool = False,
    **limits: Any,
) -> Any:
    """A documented field of a section.

    Args:
        default: its value where none is given.
        meaning: a sentence for the reference.
        unit: of its values, if they have one.
        paper: what the paper used, where that is another value.
        was: an older name, which is still read.
        extensible: whether it may differ when a sweep goes on.
        added: whether identities hold it only where it is not the default.
        place: whether it says where something lies.
        limits: pydantic's, such as ``ge`` and ``lt``.
    """
    said: Any = {"about": About(unit, paper, was, extensible, added, place)}
    return Field(default, description=meaning, json_schema_extra=said, **limits)


def about(field: FieldInfo) -> About:
    """What was said of a field by ``setting``; nothing of a section."""
    extra: Any = field.json_schema_extra or {}
    said: About = extra.get("about", _NOTHING)
    return said


class Section(BaseModel):
    """A group of settings: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, values: Any) -> Any:
        """YAML reads yes, no, on and off as truth values, which Python counts as 1 and 0."""
        for name, value in values.items() if isinstance(values, dict) else ():
            field, parts = cls.model_fields.get(name), value if isinstance(value, list) else [value]
            kinds = "" if field is None else str(field.annotation)
            takes_numbers = ("int" in kinds or "float" in kinds) and "bool" not in kinds
            if takes_numbers and any(isinstance(part, bool) for part in parts):
                raise ValueError(
                    f"{name}={value!r} is a truth value, as which YAML reads yes, no, on and off; "
                    "write a number"
                )
        return values

    def identity(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Every setting that may not differ when a sweep goes on, by dotted key, as JSON values.

        What says only where something lies may differ: its contents may not.

        Args:
            prefix: of the keys.
        """
        values = self.model_dump(mode="json")
        for name, field in type(self).model_fields.items():
            said, value = about(field), getattr(self, name)
            free = said.extensible(self) if callable(said.extensible) else said.extensible
            if free or said.place or (said.added and value == field.default):
                continue
            key = prefix + (said.was or name)
            if isinstance(value, Section):
                yield from value.identity(f"{key}.")
            else:
                yield key, values[name]
