"""From the plan of a figure to its files, or to the reason why there are none."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from matplotlib.figure import Figure

from doge_ray.reporting.figures.style import NotDrawnError, styled

Material = TypeVar("Material")


@dataclass(frozen=True)
class Plan(Generic[Material]):
    """A figure that a report would like to show."""

    name: str
    title: str
    caption: str
    draw: Callable[[Material], Figure]


@dataclass(frozen=True)
class Drawing:
    """A figure as files by form (``svg``, ``png``), or the reason why there is none."""

    name: str
    title: str
    caption: str
    files: Mapping[str, bytes] = field(default_factory=dict)
    missing: str = ""


def drawn(plan: Plan[Material], material: Material) -> Drawing:
    """The figure, or the sentence that says why it cannot be drawn."""
    try:
        figure = plan.draw(material)
    except NotDrawnError as reason:
        return Drawing(plan.name, plan.title, plan.caption, missing=str(reason))
    files = {form: render(figure, form) for form in ("svg", "png")}
    return Drawing(plan.name, plan.title, plan.caption, files)


def render(figure: Figure, form: str, dpi: int = 150) -> bytes:
    """A figure as a file that is the same whenever it is made."""
    file = io.BytesIO()
    _save(figure, file, form, dpi)
    return file.getvalue()


@styled
def _save(figure: Figure, file: io.BytesIO, form: str, dpi: int) -> Figure:
    metadata = {"Date": None} if form == "svg" else {}
    with warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; the tables have it.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.savefig(file, format=form, dpi=dpi, bbox_inches="tight", metadata=metadata)
    return figure
