"""What a sweep leaves in its folder at any moment: tables, figures and a page."""

from __future__ import annotations

from collections.abc import Sequence

from doge_ray.engine.results.folder import AUDIT, SWEEP
from doge_ray.engine.results.reading import collect
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.tracking.runs import find_runs
from doge_ray.engine.trials.book import Book
from doge_ray.engine.work.graph import Graph
from doge_ray.reporting.figures.drawing import Drawing
from doge_ray.reporting.figures.gallery import draw_all
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.summary import summary_markdown
from doge_ray.reporting.sweep_page import sweep_page
from doge_ray.reporting.trial_rows import rows_to_parquet

TEXTS = ("report.html", "summary.md", SWEEP, AUDIT)


def publish_tables(book: Book, results: Storage) -> SweepRecords:
    """Write ``trials.parquet`` and ``summary.md`` from what is stored, trained or not."""
    records = collect(book)
    results.write_bytes(f"{records.name}/trials.parquet", rows_to_parquet(records.rows))
    results.write_text(f"{records.name}/summary.md", summary_markdown(records))
    return records


def publish_report(records: SweepRecords, graph: Graph, results: Storage) -> None:
    """Write ``report.html``, and ``figures/`` in place of older ones, from records alone."""
    found = find_runs(graph.config.name, results.root)
    runs = {
        row.key: found[f"{row.name}@{row.stage}"]
        for row in records.rows
        if f"{row.name}@{row.stage}" in found
    }
    drawings = draw_all(records)
    write_page(records.name, sweep_page(records.with_runs(runs), drawings), drawings, results)


def write_page(folder: str, page: str, drawings: Sequence[Drawing], results: Storage) -> None:
    """Write a page, and its figures in place of older ones.

    Args:
        folder: the sweep's, in ``results``.
        page: as HTML.
        drawings: the figures on it.
        results: the storage.
    """
    results.write_text(f"{folder}/report.html", page)
    results.delete(f"{folder}/figures")
    for drawing in drawings:
        for form, data in drawing.files.items():
            results.write_bytes(f"{folder}/figures/{drawing.name}.{form}", data)
