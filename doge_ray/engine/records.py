"""From the journal and the store to the records that reports are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from doge_ray.engine.background import (
    active_counts,
    details,
    moments,
    read_audit,
    shared_stages,
)
from doge_ray.engine.choice import all_chosen, present, replicates, with_finetuned
from doge_ray.engine.jobs import read_predictions
from doge_ray.engine.journal import Entry, Journal
from doge_ray.engine.pipeline import Pipeline
from doge_ray.engine.prepare import recall
from doge_ray.reporting.records import Predictions, SweepRecords
from doge_ray.reporting.rows import TrialRow
from doge_ray.tickets.counts import Counts, right_or_wrong


def load_records(name: str, storage: str = "runs") -> SweepRecords:
    """All that a report is made of, from a sweep's folder and its store.

    Raises:
        InputError: there is no such sweep in the storage.
    """
    graph, store, results = recall(name, storage)
    return collect(Pipeline.of(graph, store), Journal(results, name))


def collect(pipeline: Pipeline, journal: Journal) -> SweepRecords:
    """All trials of the present configuration, and what the replicates predicted."""
    config = pipeline.graph.config
    pipeline = with_finetuned(pipeline, journal.entries())
    entries = present(journal.entries(), pipeline)
    best = all_chosen(config.methods, entries).values()
    # Replicates of a configuration that is no longer the chosen one are not part of the result.
    repeats = {repeat for entry in best for repeat in replicates(entry, config)}
    entries = [e for e in entries if e.assignment.replicate == 0 or e.assignment in repeats]
    entries.sort(key=lambda entry: config.methods.index(entry.assignment.method))
    rows = _first_trains([_row(entry, pipeline) for entry in entries], entries)
    selected = {entry.assignment for entry in best}
    rows = [
        replace(row, selected_source_dev=entry.assignment in selected)
        for row, entry in zip(rows, entries, strict=True)
    ]
    predictions = {
        (entry.assignment.method, entry.assignment.replicate): _predictions(entry, pipeline)
        for entry in entries
        if entry.assignment.replicate and entry.status == "finished"
    }
    return SweepRecords(
        config.name,
        config.methods,
        _mark_oracle(rows),
        predictions,
        details={row.key: details(e, pipeline) for row, e in zip(rows, entries, strict=True)},
        moments=moments(pipeline),
        active=active_counts(pipeline),
        shared_stages=shared_stages(pipeline, entries),
        audit=read_audit(journal.storage, config.name),
        config=config,
        task=pipeline.graph.task,
    )


def _row(entry: Entry, pipeline: Pipeline) -> TrialRow:
    assignment = entry.assignment
    job = pipeline.training(assignment) if pipeline.can_draw(assignment) else None
    trained: dict[str, Any] = {}
    target: dict[str, Any] = {}
    if job is not None and entry.status == "finished":
        trained = pipeline.store.result(job.stage) or {}
        target = pipeline.store.result(pipeline.evaluation(job.stage).stage) or {}
    return TrialRow(
        method=assignment.method,
        trial=assignment.trial,
        replicate=assignment.replicate,
        learning_rate=assignment.learning_rate,
        batch_size=assignment.batch_size,
        sparsity=assignment.sparsity,
        variance_weight=assignment.variance_weight,
        strength=assignment.strength,
        anneal=assignment.anneal,
        ticket=None if job is None else job.ticket.digest,
        seed=assignment.seed,
        dev_metric=entry.dev_metric,
        selection_metric=entry.selection_metric,
        target_metric=target.get("target_metric"),
        target_metric_deduplicated=target.get("target_metric_deduplicated"),
        selected_source_dev=False,
        selected_oracle=False,
        trained=entry.status == "finished",
        seconds=trained.get("seconds"),
        error=entry.error,
        status=entry.status,
        epochs=entry.epoch,
        unit_fraction=None if job is None else job.ticket.unit_fraction,
        parameter_fraction=None if job is None else job.ticket.parameter_fraction,
    )


def _first_trains(rows: Sequence[TrialRow], entries: Sequence[Entry]) -> list[TrialRow]:
    """Of trials that share a training, the first counts as having trained it."""
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
            if row.target_metric > (leader.target_metric or 0.0):
                best[row.method] = row
    return [replace(row, selected_oracle=row is best.get(row.method)) for row in rows]


def _predictions(entry: Entry, pipeline: Pipeline) -> Predictions:
    evaluation = pipeline.evaluation(pipeline.training(entry.assignment).stage).stage
    table = read_predictions(pipeline.store.files(evaluation))
    return Predictions(
        domain_N=table["domain"].to_numpy(zero_copy_only=False),
        counts_N=_counts(table),
        duplicate_N=table["duplicate"].to_numpy(zero_copy_only=False),
    )


def _counts(table: pa.Table) -> Counts:
    if "matched" not in table.column_names:  # published before evaluations held counts
        return right_or_wrong(table["label"].to_numpy() == table["prediction"].to_numpy())
    return Counts(*(table[name].to_numpy() for name in ("matched", "predicted", "expected")))
