"""One page of tables and figures that asks nothing of the network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from doge_ray.reporting.figures.drawing import Drawing
from doge_ray.reporting.tables import Link, Table


@dataclass(frozen=True)
class Chapter:
    """A heading with what stands under it."""

    anchor: str
    title: str
    tables: Sequence[Table] = ()
    drawings: Sequence[Drawing] = ()


def page(name: str, remarks: Sequence[str], chapters: Sequence[Chapter], source: str) -> str:
    """The page as HTML, with style and figures inside; no script.

    Args:
        name: the heading.
        remarks: sentences to read first.
        chapters: those with nothing under them are left out.
        source: where the same can be had as data.
    """
    template = _environment().from_string(_read("page.html"))
    return template.render(
        name=name,
        remarks=remarks,
        style=_read("page.css"),
        chapters=[chapter for chapter in chapters if chapter.tables or chapter.drawings],
        source=source,
    )


def _environment() -> Environment:
    # Names of domains and errors come from outside: everything is escaped.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data"] = _data
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    return environment


def _data(svg: bytes) -> str:
    """A picture as an address: pictures that stand apart cannot mix up each other's ids."""
    return f"data:image/svg+xml;base64,{b64encode(svg).decode()}"


def _read(name: str) -> str:
    return (files("doge_ray.reporting") / name).read_text()
