"""Whether a sweep has anything left to compute."""

from __future__ import annotations

from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import replicates
from doge_ray.engine.trials.journal import Entry


def has_nothing_left(book: Book) -> bool:
    """Whether all trials are settled, all models looked at and the chosen ones kept.

    Once dense is searched, the book draws tickets from the configuration that is chosen.
    """
    config = book.pipeline.graph.config
    if not _is_searched("dense", book):
        return False
    book.draw_from_chosen()
    best = book.chosen(config.methods).values()
    repeats = [book.of(repeat) for entry in best for repeat in replicates(entry, config)]
    return (
        all(_is_searched(method, book) for method in config.methods)
        and len(best) == len(config.methods)
        and all(entry is not None and entry.is_settled for entry in repeats)
        and all(_is_kept(entry, book) for entry in best)
        and _is_looked_at(book)
    )


def _is_searched(method: str, book: Book) -> bool:
    trials = book.pipeline.graph.config.search.num_trials
    return sum(entry.is_settled for entry in book.search(method)) == trials


def _is_kept(entry: Entry, book: Book) -> bool:
    return book.pipeline.store.has_files(book.pipeline.trial(entry.assignment).training)


def _is_looked_at(book: Book) -> bool:
    """Whether the fine-tuned models are scored, and the chosen one's activations counted."""
    pipelines = [book.pipeline, *book.pipeline.folds.values()]
    wanted = [p.graph.scoring(training) for p in pipelines for training in p.finetuned.values()]
    search = next(iter(book.pipeline.finetuned.values()))
    wanted.append(book.pipeline.graph.activations(search))
    return all(book.pipeline.store.result(stage) is not None for stage in wanted)
