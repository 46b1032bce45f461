"""Which λ and sparsities draw different doge tickets, from the moments alone."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from doge_ray.config.schema import SweepConfig
from doge_ray.config.search import Range, bounds
from doge_ray.errors import InputError
from doge_ray.reporting.figures.style import INK, SHADES, NotDrawnError, styled
from doge_ray.reporting.records import SweepRecords
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.overlap import jaccard
from doge_ray.tickets.ticket import Ticket, UnitParameters

_WEIGHTS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
_LEVELS = 24


@styled
def draw(records: SweepRecords) -> Figure:
    """Lines part different masks; the darker, the further from that sparsity's at λ = 0."""
    config, ticket = records.config, _any_ticket(records)
    if 0 not in records.moments or ticket is None:
        raise NotDrawnError("The fine-tuned model of the search is not scored yet.")
    weights, levels = _weights(config), _levels(config)
    drawn = [
        _column(level, weights, records.moments[0], ticket.parameters, config) for level in levels
    ]
    known = [(level, column) for level, column in zip(levels, drawn, strict=True) if column]
    if not known:
        raise NotDrawnError("No sparsity of the search can be drawn from these scores.")
    levels, columns = [level for level, _ in known], [column for _, column in known]
    digests = np.array([[t.digest for t in column] for column in columns]).T
    change = np.array([[1 - jaccard(t, column[0]) for t in column] for column in columns]).T
    figure = Figure(figsize=(1.6 + 0.25 * len(levels), 1.4 + 0.27 * len(weights)))
    axes = figure.subplots()
    mesh = axes.pcolormesh(change, cmap=SHADES, vmin=0, vmax=1)
    for row, column in np.argwhere(digests[1:] != digests[:-1]):
        axes.plot([column, column + 1], [row + 1] * 2, color=INK, linewidth=0.9)
    for row, column in np.argwhere(digests[:, 1:] != digests[:, :-1]):
        axes.plot([column + 1] * 2, [row, row + 1], color=INK, linewidth=0.9)
    axes.set_yticks(np.arange(len(weights)) + 0.5, [f"{weight:g}" for weight in weights])
    every = max(1, len(levels) // 8)
    ticks = range(0, len(levels), every)
    axes.set_xticks([i + 0.5 for i in ticks], [f"{levels[i]:.2f}" for i in ticks])
    axes.set_xlabel("sparsity")
    axes.set_ylabel("λ")
    axes.set_title(f"{len(np.unique(digests))} distinct masks in {digests.size} cells")
    figure.colorbar(mesh, ax=axes, label="1 - Jaccard\nwith λ = 0", pad=0.01)
    return figure


def _column(
    sparsity: float,
    weights: list[float],
    moments: Moments,
    parameters: UnitParameters,
    config: SweepConfig,
) -> list[Ticket]:
    """The tickets of one sparsity, λ = 0 first; none where min_heads forbids it."""
    level = config.search.level(sparsity)
    try:
        return [
            draw_ticket(
                "doge",
                moments,
                level.heads,
                parameters,
                variance_weight=weight,
                ffn_sparsity=level.ffns,
                **config.scoring.ranking,
            )
            for weight in weights
        ]
    except InputError:
        return []


def _any_ticket(records: SweepRecords) -> Ticket | None:
    return next((row.drawn for row in records.rows if row.drawn is not None), None)


def _weights(config: SweepConfig) -> list[float]:
    """The search's λ among usual ones; 0 first."""
    searched = bounds(config.search.space("variance_weight"))
    return sorted({*_WEIGHTS, *searched})


def _levels(config: SweepConfig) -> list[float]:
    space = config.search.space("sparsity")
    if isinstance(space, Range) or len(space) == 1:
        low, high = min(bounds(space)), max(bounds(space))
        low, high = (low, high) if low < high else (0.0, min(0.95, 2 * high))
        return [float(level) for level in np.linspace(low, high, _LEVELS)]
    return sorted(space)
