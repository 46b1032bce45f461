"""From the plan of a figure to its files, or to the reason why there are none."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import matplotlib
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
    return Drawing(plan.name, plan.title, plan.caption, render(figure))


def render(figure: Figure, dpi: int = 150) -> dict[str, bytes]:
    """A figure as files by form, the same whenever they are made; ``dpi`` of those of dots."""
    files = {"svg": io.BytesIO(), "png": io.BytesIO()}
    _save(figure, files, dpi)
    return {form: file.getvalue() for form, file in files.items()}


@styled
def _save(figure: Figure, files: Mapping[str, io.BytesIO], dpi: int) -> Figure:
    with warnings.catch_warnings():
        # A letter that the font lacks is drawn as a box; the tables have it.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        figure.draw_without_rendering()
        matplotlib.rcParams["figure.constrained_layout.use"] = False
        figure.set_layout_engine(None)  # laid out once for all forms: that takes most of the time
        box = figure.get_tightbbox().padded(matplotlib.rcParams["savefig.pad_inches"])
        for form, file in files.items():
            metadata = {"Date": None} if form == "svg" else {}
            figure.savefig(file, format=form, dpi=dpi, bbox_inches=box, metadata=metadata)
    return figure
