"""Which weights are dropped, and which never."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from doge_ray.engine.store import StageStore
from doge_ray.engine.trials.choice import all_chosen
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.trials.retention import discard_unneeded
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.pipeline import Pipeline
from tests.engine.test_choice import ENDED, EVALUATED, SEARCH_SEED, publish_scores, some_graph


def dense(trial: int, learning_rate: float = 1e-5) -> Assignment:
    return Assignment("dense", trial, 0, SEARCH_SEED, learning_rate, 16)


def finish(pipeline: Pipeline, assignment: Assignment, metric: float) -> Entry:
    """Publish a trial and its folds, with weights."""
    trial, store = pipeline.trial(assignment), pipeline.store
    for part in trial.parts:
        weights = ENDED | {"dev_metric": metric}
        store.put(part.training, weights, lambda folder: (folder / "weights").write_text("w"))
        store.put(part.evaluation, {"target_metric": metric} | EVALUATED)
    digest = trial.training.digest
    return Entry(assignment, "finished", digest, dev_metric=metric, selection_metric=metric)


def kept(pipeline: Pipeline, assignment: Assignment) -> list[bool]:
    """Whether a trial's weights are there: its own, then those of its folds."""
    parts = pipeline.trial(assignment).parts
    return [pipeline.store.has_files(part.training) for part in parts]


def discard(candidates: list[Entry], entries: list[Entry], pipeline: Pipeline) -> list[Entry]:
    """As after the end of the candidates, with the best of all entries chosen."""
    best = all_chosen(pipeline.graph.config.methods, entries)
    return discard_unneeded(candidates, best, pipeline)


def by_folds(tmp_path: Path) -> Pipeline:
    graph = replace(some_graph(), folds={"red": "corpus-r", "blue": "corpus-b"})
    return Pipeline.of(graph, StageStore(str(tmp_path)))


def test_a_trial_of_the_same_choice_does_not_cost_the_chosen_one_its_folds(tmp_path):
    """They share their stages, and the folds' models are still to be scored."""
    pipeline = by_folds(tmp_path)
    entries = [finish(pipeline, dense(n), 0.8) for n in range(2)]
    discard(entries, entries, pipeline)
    assert kept(pipeline, dense(0)) == [True, True, True]


def test_weights_go_once_they_are_scored_and_those_of_worse_trials_at_once(tmp_path):
    pipeline = by_folds(tmp_path)
    best, worse = dense(0), dense(1, learning_rate=2e-5)
    entries = [finish(pipeline, best, 0.8), finish(pipeline, worse, 0.7)]
    discard(entries, entries, pipeline)
    assert kept(pipeline, worse) == [False, False, False]
    for part in pipeline.trial(best).parts:
        publish_scores(pipeline, part.scoring)
    discard(entries, entries, pipeline)
    assert kept(pipeline, best) == [True, False, False]


@settings(deadline=None, max_examples=25)  # files are made sure of on the disk
@given(metrics=st.lists(st.integers(0, 5), min_size=1, max_size=12))
def test_looking_at_what_was_kept_is_enough(metrics: list[int]) -> None:
    """One trial after the other ends; in the end there are the weights of the best one alone."""
    with TemporaryDirectory() as folder:
        pipeline = Pipeline.of(some_graph(), StageStore(folder))
        entries, left = list[Entry](), list[Entry]()
        for trial, metric in enumerate(metrics):
            assignment = dense(trial, learning_rate=(1 + trial) * 1e-5)
            entries.append(finish(pipeline, assignment, metric / 5))
            left = discard([*left, entries[-1]], entries, pipeline)
        best = metrics.index(max(metrics))
        with_weights = [n for n, e in enumerate(entries) if kept(pipeline, e.assignment) == [True]]
        assert with_weights == [best]
        assert left == [entries[best]]
