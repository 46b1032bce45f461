"""What a sweep leaves in its folder: tables at any moment, tickets and models in the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from doge_ray.encoders.folders import load_model, save_model
from doge_ray.engine.results.folder import AUDIT, SWEEP
from doge_ray.engine.results.reading import collect
from doge_ray.engine.store import StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.tracking.runs import find_runs
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import is_candidate
from doge_ray.engine.work.graph import Graph
from doge_ray.engine.work.trial import Trial
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
    write_page(records.name, sweep_page(replace(records, runs=runs), drawings), drawings, results)


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


def publish_models(
    book: Book, results: Storage, tokenizer: Callable[[], PreTrainedTokenizerBase]
) -> None:
    """Write each method's chosen ticket and trained model, and every other ticket drawn."""
    pipeline, config = book.pipeline, book.pipeline.graph.config
    for entry in book.entries:
        if is_candidate(entry):
            ticket = pipeline.trial(entry.assignment).ticket
            results.write_text(f"{config.name}/tickets/{ticket.digest}.json", ticket.to_json())
    for method, entry in book.chosen(config.methods).items():
        trial = pipeline.trial(entry.assignment)
        ticket_file = f"{config.name}/tickets/{method}.json"
        results.write_text(ticket_file, trial.ticket.to_json())
        _publish_model(f"{config.name}/models/{method}", trial, pipeline.store, results, tokenizer)


def _publish_model(
    place: str,
    trial: Trial,
    store: StageStore,
    results: Storage,
    tokenizer: Callable[[], PreTrainedTokenizerBase],
) -> None:
    """Write a trained model, unless it stands there.

    Args:
        place: its folder in ``results``.
        trial: which trained it.
        store: where its weights are.
        results: of the sweep.
        tokenizer: loads the tokenizer to be written beside it.
    """
    told = {"training": trial.training.digest, **trial.assignment.asdict()}
    origin = json.dumps(told, indent=1)
    if results.read_text(f"{place}/origin.json") == origin:
        return
    model = load_model(store.files(trial.training))

    def write(target: Path) -> None:
        save_model(model, target, tokenizer())
        (target / "ticket.json").write_text(trial.ticket.to_json())

    results.replace_folder(place, write)
    # Last: where it stands, all the rest does.
    results.write_text(f"{place}/origin.json", origin)
