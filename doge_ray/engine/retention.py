"""Which weights stay on disk: those that something still needs."""

from __future__ import annotations

from collections.abc import Sequence

from doge_ray.engine.choice import all_chosen
from doge_ray.engine.journal import Entry
from doge_ray.engine.pipeline import Pipeline


def discard_unneeded(entries: Sequence[Entry], pipeline: Pipeline) -> None:
    """Keep each search's best model, and fine-tuned ones until they are scored."""
    store, graph = pipeline.store, pipeline.graph
    kept = {entry.training for entry in all_chosen(graph.config.methods, entries).values()}
    for entry in entries:
        if entry.status != "finished":
            continue
        stage = pipeline.training(entry.assignment).stage
        unscored = entry.assignment.method == "dense" and entry.assignment.replicate > 0
        unscored = unscored and store.result(graph.scoring(stage)) is None
        if stage.digest not in kept and not unscored:
            store.discard_files(stage)
