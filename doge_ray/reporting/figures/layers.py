"""Where in the network each method prunes. Shapes: M methods, L layers."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from doge_ray.reporting.figures.style import INK, SHADES, NotDrawnError, styled
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import percent


@styled
def draw(records: SweepRecords) -> Figure:
    """Share of each layer's heads, and of its FFN block, removed: mean over the seeds' tickets."""
    tickets = {method: records.tickets(method) for method in records.methods}
    pruned = {
        method: each for method, each in tickets.items() if any(t.unit_fraction > 0 for t in each)
    }
    if not pruned:
        raise NotDrawnError("No method that prunes has a chosen ticket yet.")
    heads_ML = np.array([np.mean([1 - t.head_mask.mean(1) for t in p], 0) for p in pruned.values()])
    ffns_ML = np.array([np.mean([1.0 - t.ffn_mask for t in p], 0) for p in pruned.values()])
    num_layers = heads_ML.shape[1]
    figure = Figure(figsize=(2.2 + 0.72 * num_layers, 0.9 + 0.36 * len(pruned)))
    for axes, share_ML, title in zip(
        figure.subplots(1, 2, sharey=True),
        (heads_ML, ffns_ML),
        ("heads removed, percent", "FFN block removed, percent of seeds"),
        strict=True,
    ):
        axes.pcolormesh(share_ML, cmap=SHADES, vmin=0, vmax=1, edgecolors="white", linewidth=1.2)
        for (method, layer), share in np.ndenumerate(share_ML):
            color = "white" if share > 0.55 else INK
            axes.text(
                layer + 0.5,
                method + 0.5,
                percent(share, "{:.0f}"),
                color=color,
                ha="center",
                va="center",
                fontsize=8,
            )
        axes.set_xticks(np.arange(num_layers) + 0.5, [str(i) for i in range(num_layers)])
        axes.set_yticks(np.arange(len(pruned)) + 0.5, list(pruned))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("layer")
        axes.set_title(title)
        axes.set_ylim(len(pruned), 0)
    return figure
