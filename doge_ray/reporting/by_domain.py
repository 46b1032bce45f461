"""The target metric of every method, domain by domain."""

from __future__ import annotations

from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Table, plus_minus


def domain_tables(records: SweepRecords) -> list[Table]:
    """Means over the repeats, raw; and deduplicated where that differs."""
    raw = _table(records, deduplicated=False)
    rest = _table(records, deduplicated=True)
    return [raw] if rest.rows == raw.rows else [raw, rest]


def _table(records: SweepRecords, *, deduplicated: bool) -> Table:
    name = "target_deduplicated" if deduplicated else "target"
    rows = []
    for method in records.methods:
        found = [getattr(row, name) for row in records.replicates(method)]
        cells = (plus_minus([each.get(d) for each in found]) for d in records.target_domains)
        rows.append((method, *cells))
    what = "Without target texts that stand in the sources too" if deduplicated else "All texts"
    note = f"{what}; {records.metric} in percent, mean over fresh seeds with its 95 % interval."
    return Table(("method", *records.target_domains), rows, [note])
