"""The configuration each study chose, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from doge_ray.config.schema import SweepConfig
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.trial import Trial
from doge_ray.seeds import trial_seed
from doge_ray.tickets.selection import Candidate, choose


def present(entries: Iterable[Entry], pipeline: Pipeline) -> list[Entry]:
    """The journal as far as it holds for this configuration and for what is stored.

    Methods and trials beyond those asked for are left out. A trial whose stages are not there is
    still to run: since it ended, another dense model was chosen to draw its ticket from.
    """
    config = pipeline.graph.config
    return [
        as_stored(entry, pipeline) for entry in entries if is_asked_for(entry.assignment, config)
    ]


def is_asked_for(assignment: Assignment, config: SweepConfig) -> bool:
    """Whether a configuration has a trial among its methods, and their trials or replicates."""
    if assignment.replicate:
        number, most = assignment.replicate - 1, config.replicates
    else:
        number, most = assignment.trial, config.search.num_trials
    return assignment.method in config.methods and number < most


def as_stored(entry: Entry, pipeline: Pipeline) -> Entry:
    """One entry, held against what is stored of its trial."""
    if not entry.is_settled:
        return entry
    if not pipeline.can_draw(entry.assignment):
        return Entry(entry.assignment)
    trial, store = pipeline.trial(entry.assignment), pipeline.store
    if entry.status == "stopped":
        is_same = entry.training == trial.training.digest
        return entry if is_same else Entry(entry.assignment)
    if not trial.is_published(store):
        return Entry(entry.assignment)
    trained = store.result(trial.training) or {}
    known = {
        "dev_metric": trained["dev_metric"],
        "epoch": trained["epochs"],
        "training_seconds": trained["seconds"],
    }
    metric = selection_metric(trial, pipeline)
    return replace(entry.reported(trial.identity | known), selection_metric=metric)


def selection_metric(trial: Trial, pipeline: Pipeline) -> float | None:
    """What a published trial is chosen by, as the configuration says."""
    if pipeline.graph.config.selection == "oracle":
        return trial.target_metric(pipeline.store)
    return trial.seen_metric(pipeline.store)


def chosen(method: str, entries: Iterable[Entry]) -> Entry | None:
    """The finished trial of a method's search with the best selection metric."""
    finished = {
        entry.assignment.trial: entry
        for entry in entries
        if entry.assignment.method == method and is_candidate(entry)
    }
    best = choose(Candidate(n, entry.selection_metric or 0.0) for n, entry in finished.items())
    return None if best is None else finished[best]


def is_candidate(entry: Entry) -> bool:
    """Whether a search may choose a trial: one of its own, which finished."""
    return entry.status == "finished" and entry.assignment.replicate == 0


def all_chosen(methods: Iterable[str], entries: Sequence[Entry]) -> dict[str, Entry]:
    """The chosen trial of each method that has one."""
    best = {method: chosen(method, entries) for method in methods}
    return {method: entry for method, entry in best.items() if entry is not None}


def replicates(entry: Entry, config: SweepConfig) -> list[Assignment]:
    """The chosen configuration with fresh seeds, none of which took part in the choice."""
    return [
        replace(entry.assignment, replicate=r, seed=trial_seed(config.seed, r))
        for r in range(1, config.replicates + 1)
    ]


def with_finetuned(pipeline: Pipeline, dense: Entry | None) -> Pipeline:
    """The pipeline in which tickets are drawn from the chosen dense configuration's models.

    The search draws from the chosen trial itself, each replicate from its own seed's model.
    """
    if dense is None:
        return pipeline
    repeats = replicates(dense, pipeline.graph.config)
    return pipeline.drawing_from(
        pipeline.trial(dense.assignment), {a.seed: pipeline.trial(a) for a in repeats}
    )
