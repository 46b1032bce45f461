"""Which weights stay on disk: those that something still needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from doge_ray.engine.trials.choice import all_chosen, replicates
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.pipeline import Pipeline


def discard_unneeded(
    candidates: Iterable[Entry], entries: Sequence[Entry], pipeline: Pipeline
) -> list[Entry]:
    """Keep each search's best model, and fine-tuned ones until they are scored.

    Args:
        candidates: trials whose weights may be there.
        entries: all trials.
        pipeline: of the sweep.

    Returns:
        The candidates of which weights are kept: the only ones to look at the next time.
    """
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
    left = []
    for entry in candidates:
        if entry.status == "finished":
            parts = pipeline.parts(entry.assignment)
            stages = [part.training(entry.assignment).stage for part in parts]
            # Trials of equal choices share their stages.
            unneeded = [stage for stage in stages if stage.digest not in kept]
            for stage in unneeded:
                store.discard_files(stage.path)
            if len(unneeded) < len(stages):
                left.append(entry)
    return left


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
