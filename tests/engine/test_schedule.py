"""What runs next, and what a clock without work says of it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.schedule import in_phases
from doge_ray.engine.schedule.schedule import Effort, Schedule, longest_ways
from doge_ray.engine.schedule.simulation import simulate
from doge_ray.engine.schedule.steps import (
    ACTIVATIONS,
    Shape,
    Step,
    draws_from_scores,
    steps_of,
)

METHODS = ("dense", "random", "winning", "doge", "irm", "doge+vrex")
EFFORT = Effort(epochs=10)

shapes = st.builds(
    Shape,
    st.lists(st.sampled_from(METHODS[1:]), unique=True).map(lambda rest: ("dense", *rest)),
    trials=st.integers(1, 7),
    at_once=st.integers(1, 4),
    replicates=st.integers(1, 3),
    folds=st.sampled_from([(), ("red", "green")]),
).map(lambda shape: Shape(**(vars(shape) | {"at_once": min(shape.at_once, shape.trials)})))


def carried_out(shape: Shape, devices: int, draw: random.Random) -> list[Step]:
    """The steps in the order of their ends, where any of those that run may end first."""
    schedule = Schedule(steps_of(shape), EFFORT)
    running: list[Step] = []
    ended: list[Step] = []
    while not schedule.is_over:
        while schedule.first() is not None and len(running) < devices:
            running.append(schedule.begin())
        step = running.pop(draw.randrange(len(running)))
        schedule.end(step)
        ended.append(step)
    return ended


@given(shapes, st.integers(1, 9), st.randoms(use_true_random=False))
def test_every_step_ends_once_and_after_what_it_needs(
    shape: Shape, devices: int, draw: random.Random
) -> None:
    ended, steps = carried_out(shape, devices, draw), steps_of(shape)
    assert sorted(map(repr, ended)) == sorted(map(repr, steps))
    place = {step: number for number, step in enumerate(ended)}
    assert all(place[before] < place[step] for step in steps for before in steps[step])


@given(shapes)
def test_who_waits_for_whom(shape: Shape) -> None:
    steps = steps_of(shape)
    for method in shape.methods:
        for trial in range(shape.trials):
            waits = reached(Step("search", method, trial), steps)
            rounds = {
                step.number for step in waits if step.kind == "told" and step.method == method
            }
            assert rounds == set(range(trial // shape.at_once))
            scored = {step for step in waits if step.kind == "scoring"}
            folds = {"", *shape.folds} if draws_from_scores(method) else set()
            assert scored == {Step("scoring", number=0, fold=fold) for fold in folds}
        for replicate in range(1, shape.replicates + 1):
            waits = reached(Step("repeat", method, replicate), steps)
            assert {Step("search", method, trial) for trial in range(shape.trials)} <= waits
            mine = Step("scoring", number=replicate)
            assert (mine in waits) == draws_from_scores(method)
            assert (Step("repeat", "dense", replicate) in waits) == draws_from_scores(method)


def reached(step: Step, steps: dict[Step, list[Step]]) -> set[Step]:
    """All that a step waits for."""
    found: set[Step] = set()
    left = [step]
    while left:
        for before in steps[left.pop()]:
            if before not in found:
                found.add(before)
                left.append(before)
    return found


def test_the_longest_way_comes_first_and_draws_in_their_order() -> None:
    shape = Shape(("dense", "random", "doge"), trials=4, at_once=2, replicates=2)
    schedule = Schedule(steps_of(shape), EFFORT)
    ready = []
    while schedule.first() is not None:
        ready.append(schedule.begin())
    dense, chance = ([Step("search", m, n) for n in (0, 1)] for m in ("dense", "random"))
    assert ready == [*dense, *chance]
    for step in [*dense, Step("told", "dense", 0)]:
        if step.kind == "told":
            assert schedule.begin() == step
        schedule.end(step)
    assert schedule.begin() == Step("search", "dense", 2)


def test_a_way_is_as_long_as_all_that_waits() -> None:
    shape = Shape(("dense", "doge"), trials=2, at_once=1, replicates=1)
    ways = longest_ways(steps_of(shape), EFFORT)
    # Two dense trials, a scoring, two tickets, a repeat; the same to the number.
    assert ways[Step("search", "dense", 0)] == 2 * 10 + 1 + 2 * 10 + 10
    assert ways[Step("repeat", "doge", 1)] == 10
    assert ways[Step("repeat", "dense", 1)] == 10 + 1 + 10
    assert ways[ACTIVATIONS] == pytest.approx(1 / 3)


@given(shapes, st.integers(1, 9), st.sampled_from([1, 2, 4]))
def test_a_clock_without_work(shape: Shape, devices: int, spanned: int) -> None:
    """Between the longest way, or all the work evenly shared, and one after the other."""
    steps = steps_of(shape)

    def width(step: Step) -> int:
        return spanned if step.kind == "scoring" else 1

    found = simulate(steps, EFFORT, EFFORT, devices, width)
    work = sum(EFFORT(step) * min(devices, width(step)) for step in steps)
    assert found.device_seconds == pytest.approx(work)
    least = max(max(longest_ways(steps, EFFORT).values()), work / devices)
    assert least - 1e-6 <= found.seconds <= sum(map(EFFORT, steps)) + 1e-6
    assert 0 < found.busy <= 1 + 1e-9


def test_one_device_is_always_busy() -> None:
    shape = Shape(METHODS, trials=5, at_once=1, replicates=3)
    assert simulate(steps_of(shape), EFFORT, EFFORT, 1).busy == pytest.approx(1)


def test_a_schedule_waits_less_than_phases() -> None:
    """The phases: each waits for the last step of the one before."""
    shape = Shape(("dense", "random", "winning", "doge"), trials=3, at_once=2, replicates=3)
    one = simulate(steps_of(shape), EFFORT, EFFORT, 2)
    assert one.busy > 0.9
    assert one.seconds < simulate(in_phases(shape, EFFORT), EFFORT, EFFORT, 2).seconds
