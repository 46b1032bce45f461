"""Which weights stay on disk: those that something still needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import replicates
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.pipeline import Pipeline


class Retention:
    """Drops weights as trials end; remembers which trials may still have any."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._with_weights = book.entries

    def after(self, *ended: Entry) -> None:
        """Look at trials that have just ended, and at those whose weights were kept before."""
        book = self._book
        best = book.chosen(book.pipeline.graph.config.methods)
        self._with_weights = discard_unneeded([*self._with_weights, *ended], best, book.pipeline)

    def after_scoring(self) -> None:
        """Models that are scored are needed no more, nor tickets of other scores."""
        self._with_weights = self._book.entries
        self.after()
        discard_outdated(self._book.recorded, self._book.pipeline)


def discard_unneeded(
    candidates: Iterable[Entry], best: Mapping[str, Entry], pipeline: Pipeline
) -> list[Entry]:
    """Keep each search's best model, and fine-tuned ones until they are scored.

    Args:
        candidates: trials whose weights may be there.
        best: the chosen trial of each method that has one.
        pipeline: of the sweep.

    Returns:
        The candidates of which weights are kept: the only ones to look at the next time.
    """
    store = pipeline.store
    kept = {entry.training for entry in best.values()} | _to_score(best, pipeline)
    left = []
    for entry in candidates:
        if entry.status == "finished":
            stages = [part.training for part in pipeline.trial(entry.assignment).parts]
            # Trials of equal choices share their stages.
            unneeded = [stage for stage in stages if stage.digest not in kept]
            for stage in unneeded:
                store.discard_files(stage.path)
            if len(unneeded) < len(stages):
                left.append(entry)
    return left


def discard_outdated(recorded: Sequence[Entry], pipeline: Pipeline) -> None:
    """Drop the weights of tickets that were drawn before another dense model was chosen."""
    trainings = {
        entry: pipeline.trial(entry.assignment).training
        for entry in recorded
        if entry.training is not None and pipeline.can_draw(entry.assignment)
    }
    present = {stage.digest for stage in trainings.values()}
    for entry, stage in trainings.items():
        if entry.training not in present:
            pipeline.store.discard_files(f"{stage.kind}/{entry.training}")


def _to_score(best: Mapping[str, Entry], pipeline: Pipeline) -> set[str]:
    """Digests of the dense trainings whose models are still to be scored."""
    if "dense" not in best:
        return set()
    assignments = [best["dense"].assignment, *replicates(best["dense"], pipeline.graph.config)]
    unscored = [
        trial for trial in map(pipeline.trial, assignments) if not trial.is_scored(pipeline.store)
    ]
    return {part.training.digest for trial in unscored for part in trial.parts}
