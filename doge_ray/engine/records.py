"""From the journal and the store to the records that reports are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from doge_ray.engine.background import active_counts, moments, read_audit, shared_stages
from doge_ray.engine.choice import all_chosen, present, replicates, with_finetuned
from doge_ray.engine.journal import Entry, Journal
from doge_ray.engine.pipeline import Pipeline
from doge_ray.engine.prepare import recall
from doge_ray.engine.stored import StoredTrial
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.rows import TrialRow
from doge_ray.tickets.ties import above


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
    stored = [StoredTrial.find(entry, pipeline) for entry in entries]
    selected = {entry.assignment for entry in best}
    rows = [replace(trial.row(), selected=trial.entry.assignment in selected) for trial in stored]
    rows = _mark_oracle(_first_trains(rows, entries))
    return SweepRecords(
        config.name,
        config.methods,
        rows,
        predictions={
            (row.method, row.replicate): trial.predictions(pipeline.store)
            for row, trial in zip(rows, stored, strict=True)
            if row.replicate and row.status == "finished"
        },
        details={row.key: trial.details() for row, trial in zip(rows, stored, strict=True)},
        moments=moments(pipeline),
        active=active_counts(pipeline),
        shared_stages=shared_stages(pipeline, entries),
        audit=read_audit(journal.storage, config.name),
        config=config,
        task=pipeline.graph.task,
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
            if above(row.target_metric, leader.target_metric or 0.0):
                best[row.method] = row
    return [replace(row, selected_oracle=row is best.get(row.method)) for row in rows]
