"""What the tickets of different sweeps have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import fmean

from doge_ray.errors import InputError
from doge_ray.reporting.combined import PartRecords
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Table
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.overlap import Overlap, Shared, overlap
from doge_ray.tickets.ticket import Ticket, UnitParameters
from doge_ray.tickets.ties import decimal

SPARSITIES = (0.1, 0.3, 0.5)
COMPARED = (("winning", 0.0), ("doge", 10.0), ("doge", 100.0))
"""Kinds of tickets to compare, with their λ."""
MOST_PAIRS = 3
"""That are shown one by one."""
TwoSweeps = tuple[SweepRecords, SweepRecords]


def overlap_table(parts: Sequence[PartRecords]) -> Table | None:
    """Tickets of every two sweeps at equal sparsity and λ; None where no two can be compared."""
    scored = [
        (part.name, part.records)
        for part in parts
        if part.records is not None and 0 in part.records.moments
    ]
    pairs = {
        f"{name} and {other}": (one, two)
        for (name, one), (other, two) in combinations(scored, 2)
        if _same_network(one, two)
    }
    if not pairs:
        return None
    groups = {name: [pair] for name, pair in pairs.items()}
    if len(pairs) > MOST_PAIRS:
        groups = {f"all {len(pairs)} pairs": list(pairs.values())}
    rows = [
        (name, _kind(kind, weight), *_cells(group, kind, weight))
        for name, group in groups.items()
        for kind, weight in COMPARED
    ]
    columns = [f"{units}, {level:g}" for level in SPARSITIES for units in ("heads", "FFNs")]
    chance = ", ".join(f"{level / (2 - level):.2f} at {level:g}" for level in SPARSITIES)
    note = (
        "Jaccard similarity of the removed units, of tickets drawn from each search's scores at "
        "sparsity 0.1, 0.3 and 0.5; 1: the same, 0: none in common. Of many pairs: mean, lowest "
        f"and highest. Units removed at random would have about {chance}. Empty: nothing is "
        "removed, or more heads than min_heads lets go."
    )
    return Table(("sweeps", "ticket", *columns), rows, [note], left=2)


def _same_network(one: SweepRecords, two: SweepRecords) -> bool:
    """Heads of one place are the same heads only in one pretrained model."""
    return one.config.model == two.config.model and one.moments[0].shape == two.moments[0].shape


def _kind(kind: str, weight: float) -> str:
    return f"{kind}, λ = {weight:g}" if kind == "doge" else kind


def _cells(group: Sequence[TwoSweeps], kind: str, weight: float) -> list[str]:
    cells = []
    for sparsity in SPARSITIES:
        found = [overlap for pair in group if (overlap := _overlap(pair, kind, weight, sparsity))]
        cells += [_shown([each.heads for each in found]), _shown([each.ffns for each in found])]
    return cells


def _shown(units: Sequence[Shared]) -> str:
    values = [each.jaccard for each in units if each.either]
    if len(values) < 2:
        return "".join(f"{decimal(value):.2f}" for value in values)
    mean, low, high = map(decimal, (fmean(values), min(values), max(values)))
    return f"{mean:.2f} ({low:.2f} to {high:.2f})"


def _overlap(pair: TwoSweeps, kind: str, weight: float, sparsity: float) -> Overlap | None:
    try:
        return overlap(*(_drawn(records, kind, weight, sparsity) for records in pair))
    except InputError:  # more heads than min_heads lets go
        return None


def _drawn(records: SweepRecords, kind: str, weight: float, sparsity: float) -> Ticket:
    # Sizes play no part in what is drawn.
    sizes = UnitParameters(head=1, ffn=1, encoder=1)
    moments = records.moments[0]
    return draw_ticket(
        kind, moments, sparsity, sizes, variance_weight=weight, **records.config.scoring.ranking
    )
