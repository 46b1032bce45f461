"""Figures 1 and 6 of the paper: which neurons fire for which domain.

Shapes: D domains that are drawn, L layers, F neurons of a block, S of them shown.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from doge_ray.reporting.figures.style import (
    SHADES,
    NotDrawnError,
    drawn_domains,
    legible,
    styled,
)
from doge_ray.reporting.records import SweepRecords

SHOWN = 35


@styled
def draw(
    records: SweepRecords,
    neurons: Literal["sampled", "first"] = "sampled",
    layers: tuple[int, ...] | None = None,
) -> Figure:
    """Share of each domain's examples at whose [CLS] a neuron is active, before GELU.

    Args:
        records: of a sweep.
        neurons: 35 drawn by a fixed seed, or the first 35.
        layers: whose FFN blocks to show; unset: the first, a middle and the last one.
    """
    if records.active is None:
        raise NotDrawnError("The fine-tuned model of the search was not looked into yet.")
    drawn = drawn_domains(records.active.count_D)
    share_DLF = records.active.shares()[drawn]
    num_domains, num_layers, _ = share_DLF.shape
    layers = layers or tuple(dict.fromkeys((0, num_layers // 2, num_layers - 1)))
    figure = Figure(figsize=(7.6, 0.7 + len(layers) * (0.6 + 0.24 * num_domains)))
    panels = figure.subplots(len(layers), 1, squeeze=False)[:, 0]
    for axes, layer in zip(panels, layers, strict=True):
        shown_S = _shown(neurons, layer, share_DLF.shape[2])
        mesh = axes.pcolormesh(
            share_DLF[:, layer, shown_S],
            cmap=SHADES,
            vmin=0,
            vmax=1,
            edgecolors="white",
            linewidth=0.8,
        )
        axes.set_yticks(
            np.arange(num_domains) + 0.5, legible([records.active.domains[d] for d in drawn])
        )
        axes.set_ylim(num_domains, 0)
        axes.set_xticks(np.arange(len(shown_S)) + 0.5, map(str, shown_S), rotation=90, fontsize=6)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(f"FFN block of layer {layer}")
    panels[-1].set_xlabel("neuron")
    figure.colorbar(mesh, ax=panels, label="share active", pad=0.01)
    return figure


def _shown(neurons: str, layer: int, number: int) -> NDArray[np.intp]:
    count = min(SHOWN, number)
    if neurons == "first":
        return np.arange(count)
    return np.sort(np.random.default_rng(layer).choice(number, count, replace=False))
