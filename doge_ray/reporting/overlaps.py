"""What the tickets of different sweeps have in common."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from doge_ray.errors import InputError
from doge_ray.reporting.combined import PartRecords
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Table
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.overlap import overlap
from doge_ray.tickets.ticket import Ticket, UnitParameters

SPARSITIES = (0.1, 0.3, 0.5)
KINDS = (("winning", 0.0), ("doge", 10.0), ("doge", 100.0))
"""Kinds of tickets to compare, with their λ."""


def overlap_table(parts: Sequence[PartRecords]) -> Table | None:
    """Tickets of every two sweeps at equal sparsity and λ; None where no two can be compared."""
    scored = [
        (part.name, part.records)
        for part in parts
        if part.records is not None and 0 in part.records.moments
    ]
    rows = [
        (f"{name} and {other}", _kind(kind, weight), *_cells(one, two, kind, weight))
        for (name, one), (other, two) in combinations(scored, 2)
        if _same_network(one, two)
        for kind, weight in KINDS
    ]
    if not rows:
        return None
    columns = [f"{units}, {level:g}" for level in SPARSITIES for units in ("heads", "FFNs")]
    chance = ", ".join(f"{level / (2 - level):.2f} at {level:g}" for level in SPARSITIES)
    note = (
        "Jaccard similarity of the removed units, of tickets drawn from each search's scores at "
        "sparsity 0.1, 0.3 and 0.5; 1: the same, 0: none in common. Units removed at random would "
        f"have about {chance}. Empty: nothing is removed, or more heads than min_heads lets go."
    )
    return Table(("sweeps", "ticket", *columns), rows, [note], left=2)


def _same_network(one: SweepRecords, two: SweepRecords) -> bool:
    """Heads of one place are the same heads only in one pretrained model."""
    return one.config.model == two.config.model and one.moments[0].shape == two.moments[0].shape


def _kind(kind: str, weight: float) -> str:
    return f"{kind}, λ = {weight:g}" if kind == "doge" else kind


def _cells(one: SweepRecords, two: SweepRecords, kind: str, weight: float) -> list[str]:
    cells = []
    for sparsity in SPARSITIES:
        try:
            shared = overlap(*(_drawn(each, kind, weight, sparsity) for each in (one, two)))
        except InputError:
            cells += ["", ""]
        else:
            each = (shared.heads, shared.ffns)
            cells += [f"{units.jaccard:.2f}" if units.either else "" for units in each]
    return cells


def _drawn(records: SweepRecords, kind: str, weight: float, sparsity: float) -> Ticket:
    # Sizes play no part in what is drawn.
    sizes = UnitParameters(head=1, ffn=1, encoder=1)
    moments = records.moments[0]
    return draw_ticket(
        kind, moments, sparsity, sizes, variance_weight=weight, **records.config.scoring.ranking
    )
