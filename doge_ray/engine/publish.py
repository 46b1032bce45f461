"""What a sweep leaves in its folder: tables at any moment, tickets and models in the end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from doge_ray.encoders.folders import load_model, save_model
from doge_ray.engine.choice import all_chosen, present, with_finetuned
from doge_ray.engine.graph import Graph
from doge_ray.engine.journal import Entry, Journal
from doge_ray.engine.pipeline import Pipeline
from doge_ray.engine.prepare import Prepared
from doge_ray.engine.records import collect
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.tracking.tracker import find_runs
from doge_ray.reporting.figures.drawing import Drawing
from doge_ray.reporting.figures.gallery import draw_all
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.rows import rows_to_parquet
from doge_ray.reporting.summary import summary_markdown
from doge_ray.reporting.sweep_page import sweep_page

TEXTS = ("report.html", "summary.md", "sweep.json", "audit.json")


def publish_tables(pipeline: Pipeline, journal: Journal, results: Storage) -> SweepRecords:
    """Write ``trials.parquet`` and ``summary.md`` from what is stored, trained or not."""
    records = collect(pipeline, journal)
    folder = pipeline.graph.config.name
    results.write_bytes(f"{folder}/trials.parquet", rows_to_parquet(records.rows))
    results.write_text(f"{folder}/summary.md", summary_markdown(records))
    return records


def publish_report(records: SweepRecords, graph: Graph, results: Storage) -> None:
    """Write ``report.html``, and ``figures/`` in place of older ones, from records alone."""
    found = find_runs(graph.config, results.root)
    runs = {
        row.key: found[f"{row.name}@{records.details[row.key].training}"]
        for row in records.rows
        if f"{row.name}@{records.details[row.key].training}" in found
    }
    drawings = draw_all(records)
    write_page(records.name, sweep_page(replace(records, runs=runs), drawings), drawings, results)


def write_page(folder: str, page: str, drawings: Sequence[Drawing], results: Storage) -> None:
    """Write a page, and its figures in place of older ones.

    Args:
        folder: the sweep's, in ``results``.
        page: HTML.
        drawings: the figures on it, by format.
        results: the storage.
    """
    results.write_text(f"{folder}/report.html", page)
    results.delete(f"{folder}/figures")
    for drawing in drawings:
        for form, data in drawing.files.items():
            results.write_bytes(f"{folder}/figures/{drawing.name}.{form}", data)


def publish_models(pipeline: Pipeline, journal: Journal, prepared: Prepared) -> None:
    """Write each method's chosen ticket and trained model, and every other ticket drawn."""
    pipeline = with_finetuned(pipeline, journal.entries())
    entries = present(journal.entries(), pipeline)
    folder, results = prepared.config.name, prepared.results
    for entry in entries:
        if entry.status == "finished" and entry.assignment.replicate == 0:
            ticket = pipeline.training(entry.assignment).ticket
            results.write_text(f"{folder}/tickets/{ticket.digest}.json", ticket.to_json())
    for method, entry in all_chosen(prepared.config.methods, entries).items():
        _publish_model(method, entry, pipeline, prepared)


def _publish_model(method: str, entry: Entry, pipeline: Pipeline, prepared: Prepared) -> None:
    job = pipeline.training(entry.assignment)
    place = f"{prepared.config.name}/models/{method}"
    ticket = job.ticket.to_json()
    prepared.results.write_text(f"{prepared.config.name}/tickets/{method}.json", ticket)
    origin = json.dumps({"training": job.stage.digest, **entry.assignment.asdict()}, indent=1)
    if prepared.results.read_text(f"{place}/origin.json") == origin:
        return
    model = load_model(pipeline.store.files(job.stage))

    def write(target: Path) -> None:
        masks = job.ticket.head_mask, job.ticket.ffn_mask
        save_model(model, target, *masks, prepared.tokenizer())
        (target / "ticket.json").write_text(ticket)

    prepared.results.replace_folder(place, write)
    # Last: where it stands, all the rest does.
    prepared.results.write_text(f"{place}/origin.json", origin)
