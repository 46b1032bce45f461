"""Figure 4 of the paper: a pie for every head and FFN block.

Shapes: D domains, S of them drawn, L layers, H heads of a layer, X units of a kind in a layer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Wedge
from rich.cells import cell_len

from doge_ray.reporting.figures.style import (
    FAINT,
    NotDrawnError,
    domain_colors,
    drawn_domains,
    legible,
    styled,
)
from doge_ray.reporting.records import SweepRecords
from doge_ray.tickets.importance import domain_scores

_LARGEST = 0.47  # of a cell's width
_LEGEND_LINE, _LETTER = 0.2, 0.07  # inches


@styled
def draw(records: SweepRecords) -> Figure:
    """Radius: mean normalised score over domains. Slices: the shares of those drawn."""
    if 0 not in records.moments:
        raise NotDrawnError("The fine-tuned model of the search is not scored yet.")
    moments = records.moments[0]
    normalize = records.config.scoring.normalize
    head_DLH, ffn_DL = domain_scores(moments, normalize)
    num_layers, num_heads = moments.shape
    shown = drawn_domains(moments.count_D)
    names = legible([moments.domains[d] for d in shown])
    width = 1.2 + 0.45 * (num_heads + 2)
    columns = _legend_columns(names, width)
    more_lines = -(-len(names) // columns) - 1
    figure = Figure(figsize=(width, 1.0 + 0.45 * num_layers + _LEGEND_LINE * more_lines))
    axes = figure.subplots()
    colors = domain_colors(len(shown))
    for scores_DLX, left in ((head_DLH, 0.0), (ffn_DL[..., None], num_heads + 0.6)):
        mean_LX = scores_DLX.mean(0)
        radius_LX = _LARGEST * mean_LX / (mean_LX.max() or 1.0)
        for (layer, index), radius in np.ndenumerate(radius_LX):
            center = left + index + 0.5, layer + 0.5
            scores_S = scores_DLX[shown, layer, index]
            axes.add_collection(_pie(scores_S, center, radius, colors))
    axes.set_xlim(-0.1, num_heads + 1.7)
    axes.set_ylim(-0.1, num_layers + 0.1)
    axes.set_aspect("equal")
    axes.set_yticks(np.arange(num_layers) + 0.5, [str(i) for i in range(num_layers)])
    axes.set_xticks(
        [*(np.arange(num_heads) + 0.5), num_heads + 1.1], [*map(str, range(num_heads)), "FFN"]
    )
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.axvline(num_heads + 0.3, color=FAINT, linewidth=0.8)
    axes.set_xlabel("head")
    axes.set_ylabel("layer")
    handles = [Patch(color=c, label=name) for c, name in zip(colors, names, strict=True)]
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)
    return figure


def _legend_columns(names: Sequence[str], width: float) -> int:
    """How many names stand side by side: the pies get the room that the others need below."""
    widest = max(map(cell_len, names))
    room = max(1, int(width / (0.35 + _LETTER * widest)))
    return min(4, len(names), room)


def _pie(
    scores_S: np.ndarray, center: tuple[float, float], radius: float, colors: list[object]
) -> PatchCollection:
    """One unit."""
    total = scores_S.sum()
    ends = 90 - 360 * np.cumsum([0.0, *(scores_S / (total or 1.0))])
    # Clockwise from the top, as the legend reads from the left.
    wedges = [
        Wedge(center, radius, ends[s + 1], ends[s])
        for s in range(len(scores_S))
        if ends[s] > ends[s + 1]
    ]
    drawn = [colors[s] for s in range(len(scores_S)) if ends[s] > ends[s + 1]]
    return PatchCollection(wedges, facecolors=drawn, edgecolors="white", linewidths=0.4)
