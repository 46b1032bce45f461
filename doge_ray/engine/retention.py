"""Which weights stay on disk: those that something still needs."""

from __future__ import annotations

from collections.abc import Sequence

from doge_ray.engine.choice import all_chosen, replicates
from doge_ray.engine.journal import Entry
from doge_ray.engine.pipeline import Pipeline


def discard_unneeded(entries: Sequence[Entry], pipeline: Pipeline) -> None:
    """Keep each search's best model, and fine-tuned ones until they are scored."""
    store, config = pipeline.store, pipeline.graph.config
    best = all_chosen(config.methods, entries)
    kept = {entry.training for entry in best.values()}
    if "dense" in best:
        to_score = [best["dense"].assignment, *replicates(best["dense"], config)]
        kept |= {
            part.training(assignment).stage.digest
            for assignment in to_score
            if not pipeline.is_scored(assignment)
            for part in pipeline.parts(assignment)
        }
    for entry in entries:
        if entry.status == "finished":
            for part in pipeline.parts(entry.assignment):
                stage = part.training(entry.assignment).stage
                # Trials of equal choices share their stages.
                if stage.digest not in kept:
                    store.discard_files(stage.path)


def discard_outdated(journal: Sequence[Entry], pipeline: Pipeline) -> None:
    """Drop the weights of tickets that were drawn before another dense model was chosen."""
    trainings = {
        entry: pipeline.training(entry.assignment).stage
        for entry in journal
        if entry.training is not None and pipeline.can_draw(entry.assignment)
    }
    present = {stage.digest for stage in trainings.values()}
    for entry, stage in trainings.items():
        if entry.training not in present:
            pipeline.store.discard_files(f"{stage.kind}/{entry.training}")
