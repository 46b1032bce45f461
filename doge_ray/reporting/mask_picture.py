"""A ticket as a picture: which heads and FFN blocks of which layer stay."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from doge_ray.tickets.ticket import Ticket
from doge_ray.tickets.ties import decimal

# Kept and removed differ in lightness, so the picture reads in grey too.
_COLORS = ListedColormap(["#e8e4da", "#2a6f97"])


def mask_picture(ticket: Ticket) -> Figure:
    """Layers from bottom to top, heads from left to right, the FFN block of each layer beside."""
    num_layers, num_heads = ticket.head_mask.shape
    figure = Figure(figsize=(1.8 + 0.32 * num_heads, 1.1 + 0.28 * num_layers), layout="constrained")
    heads, ffns = figure.subplots(1, 2, sharey=True, width_ratios=[num_heads, 1])
    for axes, mask, title in (
        (heads, ticket.head_mask, "attention heads"),
        (ffns, ticket.ffn_mask[:, None], "FFN"),
    ):
        axes.pcolormesh(mask, cmap=_COLORS, vmin=0, vmax=1, edgecolors="white", linewidth=1.5)
        axes.set_xticks([])
        axes.set_title(title, fontsize=9)
    heads.set_yticks(np.arange(num_layers) + 0.5, [str(i) for i in range(num_layers)])
    heads.set_ylabel("layer")
    figure.suptitle(
        f"{ticket.kind} ticket, sparsity {ticket.sparsity:.2f}: "
        f"{decimal(ticket.parameter_fraction):.0%} of the encoder removed (light)",
        fontsize=9,
    )
    return figure
