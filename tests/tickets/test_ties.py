import sys
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.tickets.selection import Candidate, choose
from doge_ray.tickets.ties import above, decimal, first_best, ranks

LAST_BITS = st.integers(-8, 8)
METRICS = st.lists(st.sampled_from([0.1, 0.3, 0.6, 0.7, 0.71]), min_size=1, max_size=12)
WHOLE = st.lists(st.integers(-5, 5), min_size=1, max_size=40).map(lambda values: np.array(values))


def nudged(value: float, steps: int) -> float:
    """The number with its last bits changed."""
    return value * (1 + steps * sys.float_info.epsilon)


@given(WHOLE)
def test_ranks_are_places_and_equals_share_one(scores):
    assert np.array_equal(ranks(scores / 3), np.unique(scores, return_inverse=True)[1])


@given(WHOLE, st.data())
def test_last_bits_do_not_change_a_rank(scores, data):
    moved = [nudged(score / 3, data.draw(LAST_BITS)) for score in scores]
    assert np.array_equal(ranks(np.array(moved)), ranks(scores / 3))


@given(WHOLE, st.sampled_from([1e-12, 1.0, 1e12]))
def test_ranks_know_no_scale(scores, scale):
    assert np.array_equal(ranks(scale * scores), ranks(scores.astype(float)))


def test_ranks_keep_the_shape():
    assert ranks(np.array([[0.3, 0.1], [0.1 + 1e-16, 0.2]])).tolist() == [[2, 0], [0, 1]]


@given(METRICS, st.data())
def test_the_best_is_the_first_of_equals(metrics, data):
    moved = [nudged(metric, data.draw(LAST_BITS)) for metric in metrics]
    assert first_best(moved) == metrics.index(max(metrics))
    candidates = [Candidate(trial, metric) for trial, metric in enumerate(moved)]
    assert choose(candidates[::-1]) == metrics.index(max(metrics))


@given(st.lists(st.floats(0, 3e-9), min_size=2, max_size=12))
def test_a_best_gives_way_to_the_newest_alone(metrics):
    """A training keeps the weights of one epoch, and cannot go back to another's."""
    assert first_best(metrics) in (first_best(metrics[:-1]), len(metrics) - 1)


@given(st.floats(-1, 1), LAST_BITS)
def test_rounding_puts_nothing_above_anything(value, steps):
    assert not above(nudged(value, steps), value)
    assert above(value + 1e-6, value)


@given(st.integers(-2000, 2000), LAST_BITS)
def test_what_is_half_way_goes_to_the_even_digit(twentieths, steps):
    """Of a percent: every second value is half way between two digits."""
    printed = f"{100 * decimal(nudged(twentieths / 2000, steps)):.1f}"
    exact = Decimal(twentieths) / 20
    assert abs(Decimal(printed) - exact) <= Decimal("0.05")
    if twentieths % 2:
        assert int(printed[-1]) % 2 == 0


def test_what_is_zero_but_for_rounding_has_no_sign():
    assert f"{decimal(-1e-17):+.1f}" == f"{decimal(0):+.1f}" == "+0.0"


@given(st.lists(st.sampled_from([0.1, 0.7, float("nan")]), min_size=1, max_size=6))
def test_what_is_no_number_is_never_the_best_while_there_is_one(metrics):
    numbers = [metric for metric in metrics if metric == metric]
    best = metrics[first_best(metrics)]
    assert best == max(numbers) if numbers else first_best(metrics) == 0
    chosen = choose(Candidate(trial, metric) for trial, metric in enumerate(metrics))
    assert chosen == (first_best(metrics) if numbers else None)
