"""Which weights stay on disk: those that something still needs."""

from __future__ import annotations

from collections.abc import Sequence

from doge_ray.engine.choice import chosen
from doge_ray.engine.journal import Entry
from doge_ray.engine.pipeline import Pipeline


def discard_unneeded(entries: Sequence[Entry], pipeline: Pipeline) -> None:
    """Keep each search's best model, and fine-tuned ones until they are scored."""
    store, graph = pipeline.store, pipeline.graph
    finished = [entry for entry in entries if entry.status == "finished"]
    methods = {entry.assignment.method for entry in finished}
    best = [entry for method in methods if (entry := chosen(method, finished)) is not None]
    kept = {entry.training for entry in best}
    for entry in finished:
        if entry.assignment.method != "dense" and entry.assignment.seed not in pipeline.finetuned:
            continue  # drawn from a fine-tuned model that is no longer the chosen one
        stage = pipeline.training(entry.assignment).stage
        unscored = entry.assignment.method == "dense" and entry.assignment.replicate > 0
        unscored = unscored and store.result(graph.scoring(stage)) is None
        if stage.digest not in kept and not unscored:
            store.discard_files(stage)
