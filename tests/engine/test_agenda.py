"""A sweep's tasks: drawn, chosen and published the same, however they end or are killed."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doge_ray.config import SweepConfig
from doge_ray.engine.search.agenda import Agenda
from doge_ray.engine.trials.finished import has_nothing_left
from doge_ray.engine.work.graph import Graph
from doge_ray.errors import SweepError
from tests.engine.agenda import carry_out, finish, open_agenda, sweep_graph, take
from tests.engine.test_choice import CONFIG

METHODS = ("dense", "random", "winning", "doge+irm")
AnyOrder = st.randoms(use_true_random=False)


def config(trials: int = 3, **changes: object) -> SweepConfig:
    """Lists, so that draws coincide; two trials at a time."""
    search = {
        "num_trials": trials,
        "max_concurrent": 2,
        "learning_rate": (1e-5, 2e-5),
        "batch_size": (16,),
        "sparsity": (0.2, 0.5),
    }
    update = {"search": CONFIG.search.model_copy(update=search), "methods": METHODS}
    return CONFIG.model_copy(update=update | {"replicates": 2} | changes)


GRAPH = sweep_graph(config())
FOLDS = sweep_graph(config(selection="leave_one_domain_out"), ("red", "green"))


def ended(agenda: Agenda) -> dict[str, tuple[object, ...]]:
    """What became of every trial, and which were chosen."""
    book = agenda.diary.book
    assert agenda.is_over
    found = {
        entry.assignment.name: (entry.assignment, entry.status, entry.training, entry.ticket)
        for entry in book.entries
    }
    chosen = {m: entry.assignment.name for m, entry in book.chosen(METHODS).items()}
    return found | {"chosen": tuple(chosen.items())}


def undisturbed(graph: Graph) -> dict[str, tuple[object, ...]]:
    with TemporaryDirectory() as folder:
        agenda = open_agenda(Path(folder), graph)
        carry_out(agenda, random.Random(0))
        return ended(agenda)


@pytest.mark.parametrize("graph", [GRAPH, FOLDS], ids=["by source dev", "by folds"])
def test_the_order_of_the_ends_changes_nothing(graph: Graph) -> None:
    expected = undisturbed(graph)
    assert len(expected) == len(METHODS) * (3 + 2) + 1
    assert {entry[1] for name, entry in expected.items() if name != "chosen"} == {"finished"}

    @settings(deadline=None, max_examples=6)
    @given(AnyOrder)
    def check(draw: random.Random) -> None:
        with TemporaryDirectory() as folder:
            agenda = open_agenda(Path(folder), graph)
            begun = carry_out(agenda, draw)
            assert len(set(begun)) == len(begun)
            assert ended(agenda) == expected

    check()


@pytest.mark.parametrize("graph", [GRAPH, FOLDS], ids=["by source dev", "by folds"])
def test_a_sweep_that_is_killed_anywhere_goes_on_to_the_same(graph: Graph) -> None:
    expected = undisturbed(graph)

    @settings(deadline=None, max_examples=6)
    @given(st.lists(st.integers(0, 12), max_size=3), AnyOrder)
    def check(lives: list[int], draw: random.Random) -> None:
        with TemporaryDirectory() as folder:
            for ends in lives:
                carry_out(open_agenda(Path(folder), graph), draw, ends)
                look = open_agenda(Path(folder), graph)
                assert has_nothing_left(look.diary.book) == (look.next() is None)
            agenda = open_agenda(Path(folder), graph)
            carry_out(agenda, draw)
            assert ended(agenda) == expected

    check()


def test_a_finished_sweep_has_nothing_to_do(tmp_path: Path) -> None:
    carry_out(open_agenda(tmp_path, GRAPH), random.Random(0))
    agenda = open_agenda(tmp_path, GRAPH)
    assert has_nothing_left(agenda.diary.book)
    assert agenda.next() is None
    assert agenda.is_over
    assert agenda.diary.progress.found == len(METHODS) * (3 + 2)


def test_more_trials_keep_the_earlier_draws_and_repeat_a_better_choice(tmp_path: Path) -> None:
    fewer, more = sweep_graph(config(trials=2)), sweep_graph(config(trials=5))
    carry_out(open_agenda(tmp_path, fewer), random.Random(1))
    again = open_agenda(tmp_path, more)
    carry_out(again, random.Random(2))
    alone = undisturbed(more)
    found = ended(again)
    assert {name: found[name] for name in alone} == alone


def test_weights_that_a_choice_has_lost_are_made_again(tmp_path: Path) -> None:
    """With more trials another was chosen; with fewer again, its weights are gone."""
    fewer, more = sweep_graph(config(trials=1)), sweep_graph(config(trials=5))
    carry_out(open_agenda(tmp_path, more), random.Random(1))
    again = open_agenda(tmp_path, fewer)
    begun = carry_out(again, random.Random(2))
    lost = [name for name in begun if name.endswith("-again")]
    assert lost
    book = again.diary.book
    for entry in book.chosen(METHODS).values():
        assert book.pipeline.store.has_files(book.pipeline.trial(entry.assignment).training)


def test_a_failed_trial_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    agenda = open_agenda(tmp_path, GRAPH)
    first, *others = take(agenda)
    agenda.failed(first, "it did not work")
    for task in others:
        finish(agenda, task)
    carry_out(agenda, random.Random(0))
    assert agenda.is_over
    failed = [entry for entry in agenda.diary.book.entries if entry.status == "failed"]
    assert [entry.error for entry in failed] == ["it did not work"]


def test_without_a_dense_model_there_is_nothing_to_draw_from(tmp_path: Path) -> None:
    agenda = open_agenda(tmp_path, sweep_graph(config(trials=1, methods=("dense", "doge"))))
    (only,) = take(agenda)
    agenda.failed(only, "CUDA error")
    with pytest.raises(SweepError, match="no dense trial finished: CUDA error"):
        agenda.next()


def test_a_seed_without_a_dense_model_has_no_tickets(tmp_path: Path) -> None:
    agenda = open_agenda(tmp_path, sweep_graph(config(methods=("dense", "random", "doge"))))
    running = take(agenda)
    while running:
        task = running.pop()
        if task.name.startswith("dense") and task.name.endswith("-2"):
            agenda.failed(task, "its seed is unlucky")
        else:
            finish(agenda, task)
        running += take(agenda)
    assert agenda.is_over
    failed = {
        e.assignment.method: e.error for e in agenda.diary.book.entries if e.status == "failed"
    }
    assert failed == {
        "dense": "its seed is unlucky",
        "doge": "the fine-tuned model of this seed failed",
    }


def test_a_model_that_cannot_be_scored_ends_the_sweep(tmp_path: Path) -> None:
    agenda = open_agenda(tmp_path, sweep_graph(config(trials=1, methods=("dense", "doge"))))
    (dense,) = take(agenda)
    finish(agenda, dense)
    scoring = next(task for task in take(agenda) if task.assignment is None)
    with pytest.raises(SweepError, match="scoring-replicate-0 failed: it is full of NaN"):
        agenda.failed(scoring, "it is full of NaN")


def test_what_spans_devices_waits_for_room(tmp_path: Path) -> None:
    some = config(methods=("dense", "random", "doge"))
    wide = some.resources.model_copy(update={"stage_workers": 2})
    agenda = open_agenda(tmp_path, sweep_graph(some.model_copy(update={"resources": wide})))
    running = take(agenda)
    scored = 0
    while running:
        assert sum(task.workers for task in running) <= agenda.devices == 2
        scored += any(task.workers == 2 for task in running)
        task = running.pop(0)
        finish(agenda, task)
        running += take(agenda)
    assert agenda.is_over
    assert len([*(tmp_path / "store/scoring").iterdir()]) == 3
    assert 1 <= scored <= 3  # what is ready together is one group's work
