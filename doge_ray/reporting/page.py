"""``report.html``: everything about a sweep on one page that asks nothing of the network."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from doge_ray.reporting.by_domain import domain_tables
from doge_ray.reporting.comparison import comparison
from doge_ray.reporting.differences import difference_table
from doge_ray.reporting.figures.gallery import Drawing
from doge_ray.reporting.protocol import audit_table, cost_tables, protocol_table
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Link, Table
from doge_ray.reporting.trials import trials_table
from doge_ray.reporting.verdict import oracle_table, verdict


@dataclass(frozen=True)
class Part:
    """A heading with what stands under it."""

    anchor: str
    title: str
    tables: Sequence[Table] = ()
    drawings: Sequence[Drawing] = ()


def report_page(records: SweepRecords, drawings: Sequence[Drawing]) -> str:
    """The page as HTML, with style and figures inside; no script."""
    template = _environment().from_string(_read("page.html"))
    failed = sum(row.status == "failed" for row in records.rows)
    return template.render(
        name=records.name,
        verdict=verdict(records),
        failed=failed,
        style=_read("page.css"),
        parts=_parts(records, drawings),
    )


def _parts(records: SweepRecords, drawings: Sequence[Drawing]) -> list[Part]:
    protocol, audit = protocol_table(records), records.audit
    parts = [
        Part("comparison", "The comparison", [comparison(records)]),
        Part("differences", "Differences", [difference_table(records)]),
        Part("oracle", "Honest and oracle", [oracle_table(records)]),
        Part("domains", "By target domain", domain_tables(records)),
        Part("figures", "Figures", drawings=drawings),
        Part("protocol", "Protocol", [] if protocol is None else [protocol]),
        Part("data", "Data", [] if audit is None else [audit_table(audit)]),
        Part("cost", "Cost", cost_tables(records)),
        Part("trials", "All trials", [trials_table(records)]),
    ]
    return [part for part in parts if part.tables or part.drawings]


def _environment() -> Environment:
    # Names of domains and errors come from outside: everything is escaped.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["data"] = _data
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    return environment


def _data(svg: bytes) -> str:
    """A picture as an address: pictures that stand apart cannot mix up each other's ids."""
    return f"data:image/svg+xml;base64,{b64encode(svg).decode()}"


def _read(name: str) -> str:
    return (files("doge_ray.reporting") / name).read_text()
