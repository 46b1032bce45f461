"""The configuration each study chose, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from doge_ray.config import SweepConfig
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.pipeline import Assignment, Pipeline
from doge_ray.seeds import derive_seed
from doge_ray.tickets.selection import Candidate, choose


def present(entries: Iterable[Entry], pipeline: Pipeline) -> list[Entry]:
    """The journal as far as it holds for this configuration and for what is stored.

    Methods and trials beyond those asked for are left out. A trial whose stages are not there is
    still to run: since it ended, another dense model was chosen to draw its ticket from.
    """
    config = pipeline.graph.config
    return [
        _as_stored(entry, pipeline)
        for entry in entries
        if entry.assignment.method in config.methods
        and (entry.assignment.replicate or entry.assignment.trial < config.search.num_trials)
    ]


def _as_stored(entry: Entry, pipeline: Pipeline) -> Entry:
    if entry.status not in ("finished", "stopped"):
        return entry
    assignment = entry.assignment
    if not pipeline.can_draw(assignment):
        return Entry(assignment)
    job = pipeline.training(assignment)
    if entry.status == "stopped":
        return entry if entry.training == job.stage.digest else Entry(assignment)
    trained = pipeline.store.result(job.stage)
    parts = pipeline.parts(assignment)
    if trained is None or not all(part.is_published(assignment) for part in parts):
        return Entry(assignment)
    known = {
        "dev_metric": trained["dev_metric"],
        "epoch": trained["epochs"],
        "training_seconds": trained["seconds"],
    }
    metric = selection_metric(assignment, pipeline)
    return replace(entry.reported(job.identity | known), selection_metric=metric)


def selection_metric(assignment: Assignment, pipeline: Pipeline) -> float | None:
    """What a published trial is chosen by, as the configuration says."""
    if pipeline.graph.config.selection == "oracle":
        return pipeline.target_metric(assignment)
    return seen_metric(assignment, pipeline)


def seen_metric(assignment: Assignment, pipeline: Pipeline) -> float | None:
    """What a search is told of a published trial: from the source domains alone."""
    if pipeline.folds and assignment.replicate == 0:
        unseen = (fold.target_metric(assignment) for fold in pipeline.folds.values())
        return float(np.mean([metric for metric in unseen if metric is not None]))
    return pipeline.dev_metric(assignment)


def chosen(method: str, entries: Iterable[Entry]) -> Entry | None:
    """The finished trial of a method's search with the best selection metric."""
    finished = {
        entry.assignment.trial: entry
        for entry in entries
        if entry.assignment.method == method
        and entry.assignment.replicate == 0
        and entry.status == "finished"
    }
    best = choose(Candidate(n, entry.selection_metric or 0.0) for n, entry in finished.items())
    return None if best is None else finished[best]


def all_chosen(methods: Iterable[str], entries: Sequence[Entry]) -> dict[str, Entry]:
    """The chosen trial of each method that has one."""
    best = {method: chosen(method, entries) for method in methods}
    return {method: entry for method, entry in best.items() if entry is not None}


def replicates(entry: Entry, config: SweepConfig) -> list[Assignment]:
    """The chosen configuration with fresh seeds, none of which took part in the choice."""
    return [
        replace(entry.assignment, replicate=r, seed=derive_seed(config.seed, "replicate", r))
        for r in range(1, config.replicates + 1)
    ]


def with_finetuned(pipeline: Pipeline, entries: Iterable[Entry]) -> Pipeline:
    """The pipeline in which tickets are drawn from the chosen dense configuration's models.

    The search draws from the chosen trial itself, each replicate from its own seed's model.
    """
    dense = chosen("dense", present(entries, pipeline))
    if dense is None:
        return pipeline
    assignments = [dense.assignment, *replicates(dense, pipeline.graph.config)]
    return replace(
        pipeline,
        finetuned={a.seed: pipeline.training(a).stage for a in assignments},
        folds={
            domain: replace(
                fold, finetuned={dense.assignment.seed: fold.training(dense.assignment).stage}
            )
            for domain, fold in pipeline.folds.items()
        },
    )
