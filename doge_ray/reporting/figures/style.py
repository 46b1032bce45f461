"""One look for all figures: told apart by lightness, marker and dash, not by hue alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, NamedTuple, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from doge_ray.domains.names import shortened

P = ParamSpec("P")

INK, FAINT, LIGHT, DARK = "#22303c", "#9aa5ae", "#e9e5da", "#1f5f8b"
SHADES = matplotlib.colors.LinearSegmentedColormap.from_list("shades", [LIGHT, "#7fb0c8", DARK])
"""From little (light) to much (dark); monotone in lightness."""

_STYLE = {
    "figure.constrained_layout.use": True,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "text.color": INK,
    "text.parse_math": False,  # a domain may have a dollar in its name
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.markersize": 5.5,
    "svg.fonttype": "path",  # the same on every machine
    "svg.hashsalt": "doge_ray",  # the same in every run
    "hatch.linewidth": 0.6,
    "hatch.color": "white",
}


class MethodStyle(NamedTuple):
    """How a method is drawn in every figure."""

    color: str
    marker: str
    line: str
    hatch: str


_KNOWN = {
    "dense": MethodStyle("#22303c", "s", "-", ""),
    "random": MethodStyle("#b8b8b8", "X", ":", "...."),
    "winning": MethodStyle("#e69f00", "^", "--", "////"),
    "doge": MethodStyle("#0072b2", "o", "-", ""),
    "losing": MethodStyle("#d9a6c2", "v", ":", "xxxx"),
    "irm": MethodStyle("#117a65", "D", "-.", "\\\\\\\\"),
}
_OTHERS = (
    MethodStyle("#5b2c6f", "P", "--", "++++"),
    MethodStyle("#56b4e9", "*", "-.", "oooo"),
    MethodStyle("#a04000", "h", ":", "----"),
    MethodStyle("#f0c808", "<", "-", "||||"),
    MethodStyle("#7d8a2e", ">", "--", "////"),
)


MOST_DOMAINS = 12
"""That a figure shows one by one: more could not be told apart."""


class NotDrawnError(Exception):
    """The data for a figure are not there; the message says why, as a sentence."""


def method_style(method: str, methods: Sequence[str]) -> MethodStyle:
    """Fixed for the paper's methods; the others take the rest in the sweep's order."""
    others = [name for name in methods if name not in _KNOWN]
    return _KNOWN.get(method) or _OTHERS[others.index(method) % len(_OTHERS)]


def legible(domains: Sequence[str]) -> list[str]:
    """Names that leave room for the drawing."""
    return shortened(domains, 32)


def drawn_domains(count_D: NDArray[np.float64]) -> NDArray[np.intp]:
    """Those that a figure has room for, in their order: the ones with most examples."""
    return np.sort(np.argsort(-count_D, kind="stable")[:MOST_DOMAINS])


def domain_colors(number: int) -> list[Any]:
    """Colours of increasing lightness, for any number of domains."""
    if number == 1:
        return [DARK]
    return [matplotlib.colormaps["cividis"](0.02 + 0.93 * i / (number - 1)) for i in range(number)]


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw with the shared style, whatever the user's own is."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            return draw(*args, **kwargs)

    return in_style


def percent_axis(axes: Axes, *, along: Literal["x", "y"] = "y") -> None:
    """Ticks of a metric in percent, with light lines to read them by."""
    axis = axes.yaxis if along == "y" else axes.xaxis
    axis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axes.grid(True, axis=along, color=LIGHT, linewidth=0.8)
    axes.set_axisbelow(True)
