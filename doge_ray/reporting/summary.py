"""``summary.md``: the comparison of all methods, chosen honestly, with its uncertainty."""

from __future__ import annotations

from doge_ray.reporting.comparison import with_oracle
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import markdown


def summary_markdown(records: SweepRecords) -> str:
    """The comparison with the notes that it needs to be read rightly."""
    lines = [f"# {records.name}", "", markdown(with_oracle(records))]
    failed = sum(row.status == "failed" for row in records.rows)
    if failed:
        lines.append(f"- {failed} trial(s) failed; trials.parquet gives the errors.")
    return "\n".join([*lines, ""])
