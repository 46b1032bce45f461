"""Figure 3 of the paper: what λ does to doge tickets."""

from __future__ import annotations

from itertools import chain

import numpy as np
from matplotlib.figure import Figure

from doge_ray.reporting.figures.style import DARK, INK, NotDrawnError, percent_axis, styled
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.trial_rows import TrialRow


@styled
def draw(records: SweepRecords) -> Figure:
    """Target and source dev metric of the search's doge trials against λ, with their means."""
    trials = [row for row in records.search("doge") if row.target_metric is not None]
    by_weight: dict[float, list[TrialRow]] = {}
    for row in sorted(trials, key=lambda row: row.variance_weight or 0.0):
        by_weight.setdefault(row.variance_weight or 0.0, []).append(row)
    if len(by_weight) < 2:
        raise NotDrawnError("Finished doge trials have fewer than two values of λ.")
    figure = Figure(figsize=(5.6, 3.2))
    axes = figure.subplots()
    # λ spans 0 and powers of ten: the order of the values is what can be read off.
    series = (
        ("target", "target_metric", DARK, "o", "-", -0.06),
        ("source dev", "dev_metric", INK, "D", "--", 0.06),
    )
    for label, name, color, marker, line, shift in series:
        values = [[getattr(row, name) for row in rows] for rows in by_weight.values()]
        places = [np.full(len(each), i + shift) for i, each in enumerate(values)]
        means = [float(np.mean(each)) for each in values]
        fill = color if label == "target" else "white"
        axes.plot(np.arange(len(means)) + shift, means, line, color=color, linewidth=1.3)
        axes.plot(
            np.concatenate(places),
            list(chain.from_iterable(values)),
            marker,
            color=color,
            markerfacecolor=fill,
            alpha=0.85,
            label=f"{label} (line: mean)",
        )
    names = [f"{weight:g}\nn={len(rows)}" for weight, rows in by_weight.items()]
    axes.set_xlim(-0.5, len(by_weight) - 0.5)
    axes.set_xticks(range(len(by_weight)), names)
    axes.set_xlabel("λ, the weight of the variance over domains; n trials")
    axes.set_ylabel(f"{records.metric}, percent")
    percent_axis(axes)
    figure.legend(loc="outside upper left", ncols=2)
    return figure
