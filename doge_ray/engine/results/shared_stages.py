"""What the store knows beyond its trials: scores, activations and cost of what trials share."""

from __future__ import annotations

from collections.abc import Iterable

from doge_ray.engine.store import Stage
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.graph import ACTIVATIONS
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.reporting.records import StageCost
from doge_ray.tickets.activations import ActiveCounts
from doge_ray.tickets.importance import Moments


def moments(pipeline: Pipeline) -> dict[int, Moments]:
    """The scores that are published, by replicate: 0 is the search."""
    return {
        replicate: pipeline.moments(training)
        for replicate, training in enumerate(pipeline.finetuned.values())
        if pipeline.store.result(pipeline.graph.scoring(training)) is not None
    }


def active_counts(pipeline: Pipeline) -> ActiveCounts | None:
    """Active neurons of the chosen dense model, once they are counted."""
    search = next(iter(pipeline.finetuned.values()), None)
    if search is None or not pipeline.store.has_files(stage := pipeline.graph.activations(search)):
        return None
    return ActiveCounts.load(pipeline.store.files(stage) / ACTIVATIONS)


def shared_stages(pipeline: Pipeline, entries: Iterable[Entry]) -> dict[str, StageCost]:
    """What no row tells of, as far as it is published: what trials share, and folds' trainings."""
    graph, trainings = pipeline.graph, list(pipeline.finetuned.values())
    stages = {
        "encoding": [graph.encoding],
        "initial": [graph.initial(seed) for seed in pipeline.finetuned],
        "scoring": [graph.scoring(training) for training in trainings],
        "activations": [graph.activations(training) for training in trainings[:1]],
    }
    of_folds = [
        fold.training
        for entry in entries
        if entry.status == "finished" and entry.assignment.replicate == 0
        for fold in pipeline.trial(entry.assignment).folds.values()
    ]
    stages["training of folds"] = list({stage.digest: stage for stage in of_folds}.values())
    return {kind: _cost(pipeline, each) for kind, each in stages.items()}


def _cost(pipeline: Pipeline, stages: Iterable[Stage]) -> StageCost:
    found = [result for stage in stages if (result := pipeline.store.result(stage)) is not None]
    known = [result["seconds"] for result in found if "seconds" in result]
    return StageCost(len(found), sum(known) if known else None)
