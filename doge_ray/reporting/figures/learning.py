"""How the chosen configurations learn: source dev metric by epoch."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from doge_ray.reporting.figures.style import NotDrawnError, method_style, percent_axis, styled
from doge_ray.reporting.records import SweepRecords


@styled
def draw(records: SweepRecords) -> Figure:
    """One line per training of a chosen configuration: the search's and its repeats."""
    histories = {
        method: [
            row.history
            for row in records.rows
            if row.method == method and (row.selected or row.replicate) and row.history
        ]
        for method in records.methods
    }
    histories = {method: each for method, each in histories.items() if each}
    if max((len(h) for each in histories.values() for h in each), default=0) < 2:
        raise NotDrawnError("No chosen configuration was trained for two epochs.")
    figure = Figure(figsize=(6.4, 3.2))
    axes = figure.subplots()
    for method, each in histories.items():
        color, marker, line, _ = method_style(method, records.methods)
        for number, history in enumerate(each):
            axes.plot(
                [record["epoch"] for record in history],
                [record["dev_metric"] for record in history],
                line,
                marker=marker,
                color=color,
                linewidth=1.1,
                markersize=4.5,
                label=None if number else method,
            )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    percent_axis(axes)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"source dev {records.metric}, percent")
    figure.legend(loc="outside upper left", ncols=6)
    return figure
