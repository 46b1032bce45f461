"""Section 5.3 of the paper as a picture: mean and variance of every unit, and who is pruned first.

Shapes: D domains, L layers, H heads of a layer, U units of one kind.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from doge_ray.reporting.figures.style import DARK, FAINT, INK, NotDrawnError, styled
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.trial_rows import TrialRow
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import domain_scores
from doge_ray.tickets.ticket import Ticket
from doge_ray.tickets.ties import decimal

# Who removes a unit: label, marker, face, edge.
_GROUPS = {
    (False, False): ("kept by both", "o", "white", FAINT),
    (True, False): ("removed by doge alone", "o", DARK, DARK),
    (False, True): ("removed by winning alone", "^", "#e69f00", "#a86f00"),
    (True, True): ("removed by both", "X", INK, INK),
}


@styled
def draw(records: SweepRecords) -> Figure:
    """Heads and FFN blocks apart; the lines are the medians that part the four quadrants."""
    best = _best_doge(records)
    if 0 not in records.moments or best is None:
        raise NotDrawnError("No doge trial that removes anything has finished yet.")
    trial, ticket = best
    config, moments = records.config, records.moments[0]
    level = config.search.level(trial.sparsity)
    winning = draw_ticket(
        "winning",
        moments,
        level.heads,
        ticket.parameters,
        ffn_sparsity=level.ffns,
        **config.scoring.ranking,
    )
    head_DLH, ffn_DL = domain_scores(moments, config.scoring.normalize)
    figure = Figure(figsize=(7.6, 4.2))
    heads, ffns = figure.subplots(1, 2)
    _scatter(heads, head_DLH.reshape(len(head_DLH), -1), ~ticket.head_mask, ~winning.head_mask)
    _scatter(ffns, ffn_DL, ~ticket.ffn_mask, ~winning.ffn_mask)
    heads.set_title("attention heads")
    ffns.set_title("FFN blocks")
    handles, labels = heads.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4)
    figure.supxlabel(
        f"mean of the normalised score over domains; sparsity {trial.sparsity:.2f}, "
        f"λ = {trial.variance_weight or 0:g}",
        fontsize=9,
    )
    return figure


def _best_doge(records: SweepRecords) -> tuple[TrialRow, Ticket] | None:
    """The chosen trial or, where its ticket is the whole network, the best that removes a unit."""
    trials = sorted(
        (row for row in records.search("doge") if row.status == "finished"),
        key=lambda row: (not row.selected, -decimal(row.selection_metric or 0.0)),
    )
    drawn = ((row, row.drawn) for row in trials)
    return next(((row, ticket) for row, ticket in drawn if ticket and ticket.unit_fraction), None)


def _scatter(
    axes: Axes,
    scores_DU: NDArray[np.float64],
    doge: NDArray[np.bool_],
    winning: NDArray[np.bool_],
) -> None:
    mean_U, spread_U = scores_DU.mean(0), scores_DU.std(0)
    doge_U, winning_U = doge.ravel(), winning.ravel()
    for (by_doge, by_winning), (label, marker, face, edge) in _GROUPS.items():
        in_U = (doge_U == by_doge) & (winning_U == by_winning)
        axes.scatter(
            mean_U[in_U],
            spread_U[in_U],
            marker=marker,
            facecolor=face,
            edgecolor=edge,
            s=30,
            linewidth=0.9,
            label=label,
        )
    middle = float(np.median(mean_U)), float(np.median(spread_U))
    axes.axvline(middle[0], color=FAINT, linewidth=0.8, linestyle="--")
    axes.axhline(middle[1], color=FAINT, linewidth=0.8, linestyle="--")
    axes.set_ylabel("standard deviation over domains")
    axes.margins(0.06, 0.28)
    low, high = axes.get_ylim()  # room for the counts; a spread below zero has no tick
    axes.set_yticks([tick for tick in axes.get_yticks() if tick >= 0], minor=False)
    axes.set_ylim(low, high)
    for name, x, y in (
        ("LMHV", 0.02, 0.98),
        ("HMHV", 0.98, 0.98),
        ("LMLV", 0.02, 0.02),
        ("HMLV", 0.98, 0.02),
    ):
        inside_U = (mean_U > middle[0]) == (name[0] == "H")
        inside_U &= (spread_U > middle[1]) == (name[2] == "H")
        axes.text(
            x,
            y,
            f"{name}, {int(inside_U.sum())} units\n"
            f"doge {int((inside_U & doge_U).sum())}, winning {int((inside_U & winning_U).sum())}",
            transform=axes.transAxes,
            ha="left" if x < 0.5 else "right",
            va="top" if y > 0.5 else "bottom",
            fontsize=7.5,
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 1},
        )
