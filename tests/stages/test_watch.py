"""Snapshots cost little, a kill costs little, and all processes take the same ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.stages import watch
from doge_ray.stages.snapshots import Writer, on_host, read_state
from doge_ray.stages.watch import SHARE, Watch
from doge_ray.stages.world import World
from tests.stages.trainings import Folder

ALONE = World(0, 1, torch.device("cpu"))


class Clock:
    """A time that passes as a test says."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Pair(World):
    """One of two processes of which the other is told by its values."""

    others: list[float]
    asked: int

    def mean(self, values: Any) -> list[float]:
        object.__setattr__(self, "asked", self.asked + 1)
        return [(a + b) / 2 for a, b in zip(map(float, values), self.others, strict=True)]


def pair(others: list[float]) -> Pair:
    world = Pair(0, 2, torch.device("cpu"))
    object.__setattr__(world, "others", others)
    object.__setattr__(world, "asked", 0)
    return world


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(watch, "time", made)
    return made


@given(step=st.floats(0.01, 100), cost=st.floats(0.001, 50), minutes=st.floats(0.1, 60))
def test_a_kill_and_the_snapshots_cost_no_more_than_they_may(
    step: float, cost: float, minutes: float
) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "time", clock)
        watched = Watch(ALONE, 60 * minutes, lambda: False)
        taken, last, lost = 0, clock.now, 0.0
        for _ in range(2000):
            clock.now += step
            lost = max(lost, clock.now - last)
            if watched.is_due_in_an_epoch():
                clock.now += cost
                watched.saved(cost)
                taken, last = taken + 1, clock.now
    assert lost <= max(60 * minutes, cost / SHARE) + step + 1e-6
    # The first one is taken before anybody knows what it costs.
    assert max(0, taken - 1) * cost <= SHARE * (clock.now - 1000) + 1e-9


def test_notice_is_answered_at_once_and_once(clock: Clock) -> None:
    world = World(0, 1, torch.device("cpu"), has_notice=lambda: clock.now > 1003)
    watched = Watch(world, 600, lambda: True)  # also while another one is being written
    answers = []
    for _ in range(8):
        clock.now += 1
        answers.append(watched.is_due_in_an_epoch())
    assert answers == [False] * 3 + [True] + [False] * 4


def test_after_an_epoch_what_is_cheap_is_taken(clock: Clock) -> None:
    watched = Watch(ALONE, 600, lambda: False)
    assert watched.is_due_after_an_epoch()
    watched.saved(seconds=0.1)
    clock.now += 0.1 / SHARE - 1
    assert not watched.is_due_after_an_epoch()
    clock.now += 1.001
    assert watched.is_due_after_an_epoch()


def test_none_is_begun_while_one_is_written(clock: Clock) -> None:
    watched = Watch(ALONE, 1, lambda: True)
    clock.now += 100
    assert not watched.is_due_in_an_epoch()
    assert not watched.is_due_after_an_epoch()


def test_several_processes_ask_each_other_seldom_and_hear_of_a_notice(clock: Clock) -> None:
    world = pair([0.0, 0.0, 0.0, 0.0, 0.01])
    watched = Watch(world, 600, lambda: False)
    for _ in range(4000):  # of 10 ms
        clock.now += 0.01
        world.others[-1] = clock.now - watched._asked
        assert not watched.is_due_in_an_epoch()
    assert 40 / watch.ASKED <= world.asked <= 40 / watch.ASKED + 12
    world.others[0] = 1.0  # the other one's machine goes
    began = clock.now
    while not watched.is_due_in_an_epoch():
        clock.now += 0.01
        world.others[-1] = clock.now - watched._asked
    assert clock.now - began <= 2 * watch.ASKED


def test_several_processes_hear_of_a_notice_where_epochs_are_shorter_than_their_silence(
    clock: Clock,
) -> None:
    world, writes = pair([0.0, 0.0, 0.0, 0.0, 0.01]), [False]
    watched = Watch(world, 600, lambda: writes[0])

    def epoch() -> bool:
        for _ in range(10):  # of 10 ms; as its end asks too, no step in it does
            clock.now += 0.01
            world.others[-1] = clock.now - watched._asked
            assert not watched.is_due_in_an_epoch()
        return watched.is_due_after_an_epoch()

    while world.asked < 50:
        if epoch():
            watched.saved(seconds=1.0)
            world.others[3] = 1.0
    assert not epoch()
    world.others[0], writes[0] = 1.0, True
    assert epoch()  # also while another one is being written
    assert not epoch()
    writes[0] = False
    assert epoch()  # and whatever it costs
    assert epoch()


class Slow(Folder):
    """Takes as long to write as a test wants."""

    def save(self, write: Callable[[Path], None]) -> None:
        assert GO.wait(60)
        super().save(write)


GO = threading.Event()


def test_a_snapshot_is_what_it_was_while_the_training_goes_on(tmp_path: Path) -> None:
    GO.clear()
    weights = torch.zeros(1000)
    writer = Writer(Slow(tmp_path / "snapshot"))
    writer.write(on_host({"weights": weights, "history": [1]}))
    assert writer.is_writing
    weights += 1  # the next step
    GO.set()
    writer.finish()
    assert not writer.is_writing
    state = read_state(tmp_path / "snapshot", ALONE)
    assert state is not None
    assert torch.equal(state["weights"], torch.zeros(1000))


class Refusing(Folder):
    """A storage that is away for good."""

    def save(self, write: Callable[[Path], None]) -> None:
        raise OSError("no space left")


def test_one_that_cannot_be_written_is_an_error_of_the_training(tmp_path: Path) -> None:
    writer = Writer(Refusing(tmp_path))
    writer.write({})
    while writer.is_writing:
        time.sleep(0.01)
    with pytest.raises(OSError, match="no space left"):
        writer.write({})
    writer.finish()  # told once
