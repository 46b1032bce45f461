"""What every group of settings is: documented fields, closed to unknown keys."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def setting(default: Any, meaning: str, *, unit: str = "", paper: Any = None, **limits: Any) -> Any:
    """A documented field of a section.

    Args:
        default: its value where none is given.
        meaning: a sentence for the reference.
        unit: of its values, if they have one.
        paper: what the paper used, where that is another value.
        limits: pydantic's, such as ``ge`` and ``lt``.
    """
    extra = {"unit": unit, "paper": paper}
    return Field(default, description=meaning, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """A group of settings: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
