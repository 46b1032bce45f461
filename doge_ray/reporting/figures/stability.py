"""Whether fresh seeds draw the same ticket: mean Jaccard of the removed units, beside chance."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.figure import Figure

from doge_ray.reporting.figures.style import INK, LIGHT, NotDrawnError, method_style, styled
from doge_ray.reporting.records import SweepRecords
from doge_ray.tickets.overlap import chance_jaccard, jaccard
from doge_ray.tickets.ties import decimal


@styled
def draw(records: SweepRecords) -> Figure:
    """One bar per pruning method, one dot per pair of seeds, a dash where chance would be."""
    pairs = {
        method: list(combinations(records.tickets(method), 2))
        for method in records.methods
        if any(ticket.unit_fraction > 0 for ticket in records.tickets(method))
    }
    pairs = {method: each for method, each in pairs.items() if each}
    if not pairs:
        raise NotDrawnError("No pruning method has finished two seeds of its chosen configuration.")
    figure = Figure(figsize=(6.0, 0.9 + 0.42 * len(pairs)))
    axes = figure.subplots()
    for place, (method, each) in enumerate(pairs.items()):
        color, _, _, hatch = method_style(method, records.methods)
        values = [jaccard(one, other) for one, other in each]
        mean = float(np.mean(values))
        chance = float(np.mean([chance_jaccard(one, other) for one, other in each]))
        axes.barh(place, mean, height=0.62, color=color, hatch=hatch, alpha=0.85)
        axes.plot(values, [place] * len(values), "o", color="white", markeredgecolor=INK)
        axes.plot([chance] * 2, [place - 0.42, place + 0.42], color=INK, linewidth=2.2)
        axes.text(1.02, place, f"{decimal(mean):.2f}, by chance {decimal(chance):.2f}", va="center")
    axes.set_yticks(range(len(pairs)), list(pairs))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("Jaccard similarity of removed units: 0 none in common, 1 the same")
    axes.grid(True, axis="x", color=LIGHT)
    axes.set_axisbelow(True)
    return figure
