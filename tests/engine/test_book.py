"""The trials in memory: what leads each search, and what the end of a trial costs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from doge_ray.engine.store import StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import all_chosen, present
from doge_ray.engine.trials.journal import Entry, Journal
from doge_ray.engine.trials.retention import Retention
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.pipeline import Pipeline
from tests.engine.test_choice import CONFIG, ENDED, EVALUATED, SEARCH_SEED, some_graph

METHODS = ("dense", "irm")


def make_book(folder: Path) -> Book:
    """A sweep of many trials of two methods without tickets, none of which has begun."""
    search = CONFIG.search.model_copy(update={"num_trials": 10_000})
    config = CONFIG.model_copy(update={"search": search, "methods": METHODS})
    graph = replace(some_graph(), config=config)
    return Book(
        Journal(Storage(str(folder)), "some"), Pipeline.of(graph, StageStore(f"{folder}/store"))
    )


def assignment(method: str, trial: int) -> Assignment:
    strength = {"strength": 1.0, "anneal": 0.0} if method == "irm" else {}
    return Assignment(method, trial, 0, SEARCH_SEED, (1 + trial) * 1e-6, 16, **strength)


def publish(book: Book, told: Assignment, metric: float) -> None:
    trial, store = book.pipeline.trial(told), book.pipeline.store
    weights = ENDED | {"dev_metric": metric}
    store.put(trial.training, weights, lambda folder: (folder / "weights").write_text("w"))
    store.put(trial.evaluation, {"target_metric": metric} | EVALUATED)


ends = st.tuples(
    st.sampled_from(METHODS),
    st.integers(0, 4),
    st.integers(0, 5),
    st.sampled_from(["finished", "failed", "running", "stopped"]),
)


@settings(deadline=None, max_examples=30)  # files are made sure of on the disk
@given(st.lists(ends, max_size=12))
def test_what_leads_is_what_all_trials_would_choose(told: list[tuple[str, int, int, Any]]) -> None:
    """Whatever ends in whichever order, also where the leader itself fails later."""
    with TemporaryDirectory() as folder:
        book = make_book(Path(folder))
        for method, trial, metric, status in told:
            if status == "finished":
                publish(book, assignment(method, trial), metric / 5)
            book.write(Entry(assignment(method, trial), status))
            assert book.chosen(METHODS) == all_chosen(METHODS, book.entries)
        again = Book(book.journal, book.pipeline)
        assert again.chosen(METHODS) == book.chosen(METHODS)
        assert [e.assignment for e in again.entries] == [e.assignment for e in book.entries]


def test_the_entry_of_another_trial_of_that_number_is_none(tmp_path: Path) -> None:
    book, mine = make_book(tmp_path), assignment("dense", 3)
    book.write(Entry(mine))
    assert book.of(mine) == Entry(mine)
    assert book.of(replace(mine, batch_size=32)) is None


def test_a_search_is_of_one_method_without_its_repeats(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    told = [
        assignment("irm", 1),
        assignment("dense", 0),
        assignment("irm", 0),
        replace(assignment("dense", 0), replicate=1),
        replace(assignment("irm", 0), replicate=1),
    ]
    for each in told:
        book.write(Entry(each))
    assert [entry.assignment for entry in book.search("irm")] == [told[2], told[0]]
    assert [entry.assignment for entry in book.search("dense")] == [told[1]]
    assert {entry.assignment for entry in book.entries} == set(told)


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python's run."""
    count = 0

    def note(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def test_the_end_of_a_trial_costs_the_same_at_trial_400_as_at_trial_10(tmp_path: Path) -> None:
    book = make_book(tmp_path)
    retention, cost = Retention(book), {}

    def end(entry: Entry) -> None:
        retention.after(book.write(replace(entry, status="finished")))

    for number in range(401):
        told = assignment("dense", number)
        publish(book, told, 0.9 if number == 0 else 0.5)
        cost[number] = calls(lambda told=told: end(Entry(told)))
    # A single call for each trial before it would be 390; files' names make a difference of a few.
    assert abs(cost[400] - cost[10]) < 20
    kept = [e for e in book.entries if book.pipeline.store.has_files(_training(book, e))]
    assert [entry.assignment.trial for entry in kept] == [0]


def test_the_journal_is_read_once_and_a_stage_once(tmp_path: Path) -> None:
    """Whatever is asked of the trials afterwards is answered from memory."""
    book = make_book(tmp_path)
    for number in range(5):
        publish(book, assignment("dense", number), 0.5)
        book.write(Entry(assignment("dense", number), "finished"))
    fresh = make_book(tmp_path)
    asked = calls(lambda: present(fresh.entries, fresh.pipeline))
    (tmp_path / "some").rename(tmp_path / "gone")
    (tmp_path / "store").rename(tmp_path / "too")
    assert calls(lambda: present(fresh.entries, fresh.pipeline)) == asked
    assert [e.status for e in present(fresh.entries, fresh.pipeline)] == ["finished"] * 5
    assert fresh.chosen(["dense"])["dense"].assignment == assignment("dense", 0)


def _training(book: Book, entry: Entry) -> Any:
    return book.pipeline.trial(entry.assignment).training


def test_what_was_trained_again_is_read_again(tmp_path: Path) -> None:
    """By another process, after its weights were dropped; another trial shares the training."""
    book, mine = make_book(tmp_path), assignment("dense", 0)
    twin = replace(mine, trial=1)
    publish(book, mine, 0.5)
    for each in (mine, twin):
        assert book.write(Entry(each, "finished")).dev_metric == 0.5
    store = book.pipeline.store
    store.discard_files(book.pipeline.trial(mine).training.path)
    publish(
        Book(book.journal, Pipeline.of(book.pipeline.graph, StageStore(store.root))), mine, 0.25
    )
    training = book.pipeline.trial(mine).training
    has_changed = store.learn({training.path: StageStore(store.root).published(training)})
    assert book.write(Entry(mine, "finished"), has_changed=has_changed).dev_metric == 0.25
    assert [entry.dev_metric for entry in book.entries] == [0.25, 0.25]
    assert book.chosen(METHODS)["dense"].selection_metric == 0.25
