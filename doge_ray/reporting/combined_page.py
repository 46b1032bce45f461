"""``report.html`` of several sweeps: one table of all, and the way to each."""

from __future__ import annotations

from collections.abc import Sequence

from doge_ray.reporting.combined import PartRecords, combined, sweep_by_sweep
from doge_ray.reporting.figures import by_sweep
from doge_ray.reporting.figures.drawing import Drawing, Plan, drawn
from doge_ray.reporting.overlaps import overlap_table
from doge_ray.reporting.page import Chapter, page
from doge_ray.reporting.tables import Link, Table
from doge_ray.reporting.verdict import verdict

_PLAN: Plan[Sequence[PartRecords]] = Plan(
    "by_sweep",
    "Every method against dense, sweep by sweep",
    "Mark: mean difference of the target metric over fresh seeds; line: its 95 % bootstrap "
    "interval over seeds and examples, too narrow below five seeds; a mark without a line rests "
    "on one seed. Right of zero the method is better than dense.",
    by_sweep.draw,
)


def combined_page(name: str, parts: Sequence[PartRecords]) -> tuple[str, list[Drawing]]:
    """The page as HTML, and the figures on it."""
    drawings = [drawn(_PLAN, parts)]
    tables = [combined(parts), *_known(sweep_by_sweep(parts))]
    chapters = [
        Chapter("comparison", "The comparison", tables),
        Chapter("differences", "Differences", drawings=drawings),
        Chapter("tickets", "Tickets in common", _known(overlap_table(parts))),
        Chapter("sweeps", "The sweeps", [_sweeps(parts)]),
    ]
    source = "summary.md holds the tables, figures/ the figures as SVG and PNG"
    return page(name, _remarks(parts), chapters, source), drawings


def _remarks(parts: Sequence[PartRecords]) -> list[str]:
    """What may be said of each sweep; those of which the same may be said, together."""
    verdicts: dict[str, list[str]] = {}
    for part in parts:
        if part.records is not None:
            verdicts.setdefault(verdict(part.records), []).append(part.name)
    done = sum(map(len, verdicts.values()))
    said = [f"{', '.join(names)}: {text}" for text, names in verdicts.items()]
    return [f"{done} of {len(parts)} sweeps have results; what they allow to be said:", *said]


def _sweeps(parts: Sequence[PartRecords]) -> Table:
    rows = [
        (part.name, part.column, *_spent(part), Link("report", f"../{part.name}/report.html"))
        for part in parts
    ]
    note = (
        "trained: distinct trainings, with their hours; the clock on the wall shows less where "
        "they run side by side. A sweep's report is there once it ended, or after python -m "
        "doge_ray.report with its name."
    )
    return Table(("sweep", "data", "trials", "trained", "hours", "page"), rows, [note], left=2)


def _spent(part: PartRecords) -> tuple[str, str, str]:
    rows = part.records.rows if part.records else []
    hours = sum(row.seconds or 0.0 for row in rows) / 3600
    return str(len(rows)), str(sum(row.trained for row in rows)), f"{hours:.1f}"


def _known(table: Table | None) -> list[Table]:
    return [] if table is None else [table]
