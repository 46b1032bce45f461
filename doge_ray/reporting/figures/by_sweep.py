"""Every method's difference from dense, sweep by sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from doge_ray.reporting.combined import PartRecords
from doge_ray.reporting.differences import difference
from doge_ray.reporting.figures.style import INK, NotDrawnError, method_style, percent_axis, styled


@styled
def draw(parts: Sequence[PartRecords]) -> Figure:
    """One block of lines per sweep: difference of target metrics and its bootstrap interval."""
    swept = {part.name: part.records for part in parts if part.records is not None}
    methods = list(dict.fromkeys(m for each in swept.values() for m in each.methods))
    lines = [
        (name, method, interval)
        for name, records in swept.items()
        for method in records.methods
        if method != "dense" and (interval := difference(records, method, "dense")) is not None
    ]
    if not lines:
        raise NotDrawnError("No method was repeated beside dense yet.")
    names = list(dict.fromkeys(name for name, _, _ in lines))
    figure = Figure(figsize=(7.2, 1.0 + 0.24 * len(lines) + 0.2 * len(names)))
    axes = figure.subplots()
    middles: dict[str, list[float]] = {name: [] for name in names}
    labelled: set[str] = set()
    for number, (name, method, interval) in enumerate(lines):
        place = number + 0.8 * names.index(name)
        color, marker, *_ = method_style(method, methods)
        label = None if method in labelled else method
        labelled.add(method)
        if not np.isnan(interval.low):
            axes.plot([interval.low, interval.high], [place] * 2, color=color, linewidth=1.6)
        axes.plot(interval.mean, place, marker, color=color, label=label)
        middles[name].append(place)
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks([float(np.mean(each)) for each in middles.values()], names)
    axes.tick_params(axis="y", length=0)
    axes.margins(y=0.6 / len(lines))
    axes.invert_yaxis()
    percent_axis(axes, along="x")
    axes.set_xlabel("target metric above dense, percent points, with 95 % interval")
    figure.legend(loc="outside upper left", ncols=6)
    return figure
