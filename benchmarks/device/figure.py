"""A line of the table."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """Something measured, beside what it should be or what it is compared with.

    ``holds`` is None where there is nothing to hold.
    """

    what: str
    found: str
    beside: str = ""
    holds: bool | None = None
