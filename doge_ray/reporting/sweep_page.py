"""``report.html`` of a sweep: everything about it on one page."""

from __future__ import annotations

from collections.abc import Sequence

from doge_ray.reporting.by_domain import domain_tables
from doge_ray.reporting.comparison import comparison
from doge_ray.reporting.differences import difference_table
from doge_ray.reporting.figures.drawing import Drawing
from doge_ray.reporting.page import Chapter, page
from doge_ray.reporting.protocol import audit_table, cost_tables, protocol_table
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.trials import trials_table
from doge_ray.reporting.verdict import oracle_table, verdict


def sweep_page(records: SweepRecords, drawings: Sequence[Drawing]) -> str:
    """The page as HTML."""
    remarks = [verdict(records)]
    failed = sum(row.status == "failed" for row in records.rows)
    if failed:
        remarks.append(f"{failed} trial(s) failed; trials.parquet gives the errors.")
    source = "trials.parquet holds every trial, figures/ every figure as SVG and PNG"
    return page(records.name, remarks, _chapters(records, drawings), source)


def _chapters(records: SweepRecords, drawings: Sequence[Drawing]) -> list[Chapter]:
    audit = records.audit
    return [
        Chapter("comparison", "The comparison", [comparison(records)]),
        Chapter("differences", "Differences", [difference_table(records)]),
        Chapter("oracle", "Honest and oracle", [oracle_table(records)]),
        Chapter("domains", "By target domain", domain_tables(records)),
        Chapter("figures", "Figures", drawings=drawings),
        Chapter("protocol", "Protocol", [protocol_table(records)]),
        Chapter("data", "Data", [] if audit is None else [audit_table(audit)]),
        Chapter("cost", "Cost", cost_tables(records)),
        Chapter("trials", "All trials", [trials_table(records)]),
    ]
