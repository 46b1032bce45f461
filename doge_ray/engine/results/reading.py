"""From the book of trials and the store to the records that reports are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from doge_ray.engine.results.folder import read_audit, recall
from doge_ray.engine.results.shared_stages import active_counts, moments, shared_stages
from doge_ray.engine.store import StageStore
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import replicates
from doge_ray.engine.trials.journal import Entry, Journal
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.predictions import read_predictions
from doge_ray.engine.work.trial import Trial
from doge_ray.reporting.records import Predictions, SweepRecords
from doge_ray.reporting.trial_rows import TrialRow
from doge_ray.tickets.counts import Counts
from doge_ray.tickets.ties import above


def load_records(name: str, storage: str = "runs") -> SweepRecords:
    """All that a report is made of, from a sweep's folder and its store.

    Raises:
        InputError: there is no such sweep in the storage.
    """
    return collect(open_book(name, storage))


def open_book(name: str, storage: str) -> Book:
    """The trials of a sweep that was started, from its folder and its store.

    Raises:
        InputError: there is no such sweep in the storage.
    """
    graph, store, results = recall(name, storage)
    store.survey()
    return Book(Journal(results, name), Pipeline.of(graph, store))


def collect(book: Book) -> SweepRecords:
    """All trials of the present configuration, and what the replicates predicted.

    From then on the book draws tickets from the dense configuration that is chosen now.
    """
    book.draw_from_chosen()
    pipeline, config = book.pipeline, book.pipeline.graph.config
    best = book.chosen(config.methods).values()
    # Replicates of a configuration that is no longer the chosen one are not part of the result.
    repeats = {repeat for entry in best for repeat in replicates(entry, config)}
    entries = [e for e in book.entries if e.assignment.replicate == 0 or e.assignment in repeats]
    entries.sort(key=lambda entry: config.methods.index(entry.assignment.method))
    trials = [_drawn(entry, pipeline) for entry in entries]
    selected = {entry.assignment for entry in best}
    rows = [
        _row(entry, trial, pipeline.store, is_selected=entry.assignment in selected)
        for entry, trial in zip(entries, trials, strict=True)
    ]
    rows = _mark_oracle(_first_trains(rows, entries))
    return SweepRecords(
        config.name,
        config.methods,
        rows,
        predictions={
            (row.method, row.replicate): _predictions(trial, pipeline.store)
            for row, trial in zip(rows, trials, strict=True)
            if row.replicate and row.status == "finished" and trial is not None
        },
        moments=moments(pipeline),
        active=active_counts(pipeline),
        shared_stages=shared_stages(pipeline, entries),
        audit=read_audit(book.journal.storage, config.name),
        config=config,
        task=pipeline.graph.task,
    )


def _drawn(entry: Entry, pipeline: Pipeline) -> Trial | None:
    """The trial, if its ticket can be drawn."""
    can_draw = pipeline.can_draw(entry.assignment)
    return pipeline.trial(entry.assignment) if can_draw else None


def _row(entry: Entry, trial: Trial | None, store: StageStore, *, is_selected: bool) -> TrialRow:
    """A trial's line in the table of trials, before the oracle's choice is marked."""
    ticket = None if trial is None else trial.ticket
    trained: Mapping[str, Any] = {}
    target: Mapping[str, Any] = {}
    if trial is not None and entry.status == "finished":
        trained, target = store.result(trial.training) or {}, store.result(trial.evaluation) or {}
    return TrialRow(
        **entry.assignment.asdict(),
        ticket=None if ticket is None else ticket.digest,
        dev_metric=entry.dev_metric,
        selection_metric=entry.selection_metric,
        target_metric=target.get("target_metric"),
        target_metric_deduplicated=target.get("target_metric_deduplicated"),
        selected=is_selected,
        selected_oracle=False,
        trained=entry.status == "finished",
        seconds=entry.training_seconds,
        error=entry.error,
        status=entry.status,
        epochs=entry.epoch,
        unit_fraction=None if ticket is None else ticket.unit_fraction,
        parameter_fraction=None if ticket is None else ticket.parameter_fraction,
        stage=None if trial is None else trial.training.digest,
        drawn=ticket,
        history=trained.get("history", ()),
        target=target.get("target", {}),
        target_deduplicated=target.get("target_deduplicated", {}),
    )


def _predictions(trial: Trial, store: StageStore) -> Predictions:
    """What a finished trial predicted for every target example."""
    table = read_predictions(store.files(trial.evaluation))
    counts = (table[name].to_numpy() for name in ("matched", "predicted", "expected"))
    return Predictions(
        domain_N=table["domain"].to_numpy(zero_copy_only=False),
        counts_N=Counts(*counts),
        duplicated_N=table["duplicate"].to_numpy(zero_copy_only=False),
    )


def _first_trains(rows: Sequence[TrialRow], entries: Sequence[Entry]) -> list[TrialRow]:
    """The rows, in which the first of those that share a training counts as having trained it."""
    seen: set[str | None] = set()
    result = []
    for row, entry in zip(rows, entries, strict=True):
        reused = row.trained and entry.training in seen
        result.append(replace(row, trained=False, seconds=0.0) if reused else row)
        if row.trained:
            seen.add(entry.training)
    return result


def _mark_oracle(rows: Sequence[TrialRow]) -> list[TrialRow]:
    """Mark what the paper would choose: per method, the search's trial with the best target."""
    best: dict[str, TrialRow] = {}
    for row in rows:
        if row.replicate == 0 and row.target_metric is not None:
            leader = best.setdefault(row.method, row)
            if above(row.target_metric, leader.target_metric or 0.0):
                best[row.method] = row
    return [
        replace(row, selected_oracle=True) if row is best.get(row.method) else row for row in rows
    ]
