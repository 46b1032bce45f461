"""Figure 5 of the paper: the target metric while more and more of the encoder goes."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from doge_ray.reporting.figures.style import NotDrawnError, method_style, percent_axis, styled
from doge_ray.reporting.records import SweepRecords


@styled
def draw(records: SweepRecords) -> Figure:
    """Every trial of the search; lines join the means of trials that remove the same share."""
    points: dict[str, dict[float, list[float]]] = {}
    for row in records.rows:
        if row.replicate == 0 and row.target_metric is not None:
            share = round(row.parameter_fraction or 0.0, 3)
            points.setdefault(row.method, {}).setdefault(share, []).append(row.target_metric)
    curves = {name: by for name, by in points.items() if len(by) > 1}
    if not curves:
        raise NotDrawnError("No method has finished trials at two different shares of the encoder.")
    figure = Figure(figsize=(6.4, 3.6))
    axes = figure.subplots()
    for method, by_share in points.items():
        color, marker, line, _ = method_style(method, records.methods)
        every = [(share, value) for share, values in by_share.items() for value in values]
        axes.plot(*zip(*every, strict=True), marker, color=color, label=method, alpha=0.9)
        shares = sorted(by_share)
        means = [float(np.mean(by_share[share])) for share in shares]
        if len(shares) > 1:
            axes.plot(shares, means, line, color=color, linewidth=1.2)
        else:
            axes.axhline(means[0], color=color, linewidth=0.9, linestyle=line)
    percent_axis(axes)
    axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:g}")
    axes.set_xlabel("encoder parameters removed, percent")
    axes.set_ylabel(f"target {records.metric}, percent")
    figure.legend(loc="outside upper left", ncols=6)
    return figure
