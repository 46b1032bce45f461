"""Shapes: R replicates, N test examples of a domain."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from doge_ray.tickets.counts import Counts
from doge_ray.tickets.statistics import Interval, mean_interval, paired_bootstrap


def accuracies(differences):
    """Pairs of counts with one prediction per example, of which the method has more right."""
    one = {name: np.ones(d.shape) for name, d in differences.items()}
    return {
        name: (Counts(d, one[name], one[name]), Counts(0 * d, one[name], one[name]))
        for name, d in differences.items()
    }


METRICS = st.lists(st.floats(0, 1), min_size=2, max_size=10)


def width(interval: Interval) -> float:
    return interval.high - interval.low


@given(METRICS)
def test_mean_interval_is_that_of_a_t_test(values):
    interval = mean_interval(values)
    if np.ptp(values) < 1e-6:
        assert width(interval) < 1e-4
        return
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert interval.mean == pytest.approx(np.mean(values))
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))


def test_one_run_has_no_interval():
    interval = mean_interval([0.7])
    assert interval.mean == 0.7
    assert math.isnan(interval.low)
    assert math.isnan(interval.high)


def test_constant_differences_leave_no_doubt():
    interval = paired_bootstrap(
        accuracies({"a": np.full((3, 40), 0.25), "b": np.full((3, 7), 0.75)})
    )
    assert interval == pytest.approx((0.5, 0.5, 0.5))


def test_domains_weigh_the_same_whatever_their_size():
    interval = paired_bootstrap(
        accuracies({"small": np.ones((2, 10)), "large": np.zeros((2, 990))})
    )
    assert interval == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_is_that_of_the_test_examples():
    """With one replicate it is the ordinary interval of a mean."""
    difference_RN = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (1, 2000), p=[0.1, 0.7, 0.2])
    interval = paired_bootstrap(accuracies({"only": difference_RN}))
    half = 1.96 * difference_RN.std() / math.sqrt(2000)
    assert interval.mean == pytest.approx(difference_RN.mean())
    assert interval.low == pytest.approx(interval.mean - half, abs=0.1 * half)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.1 * half)


def test_pairing_narrows_the_interval():
    """Both methods fail on the same hard examples; unpaired, that agreement is lost."""
    rng = np.random.default_rng(0)
    baseline_RN = (rng.random(1000) < 0.7)[None].astype(float)
    method_RN = np.where(rng.random((1, 1000)) < 0.05, 1.0, baseline_RN)
    paired = paired_bootstrap(accuracies({"only": method_RN - baseline_RN}))
    unpaired = paired_bootstrap(accuracies({"only": method_RN - rng.permuted(baseline_RN, axis=1)}))
    assert paired.mean == pytest.approx(unpaired.mean)
    assert paired.low > 0 > unpaired.low
    assert width(paired) < width(unpaired) / 3


def test_the_same_examples_in_every_replicate_are_no_new_examples():
    row_N = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], 500)
    one, eight = (
        paired_bootstrap(accuracies({"only": np.tile(row_N, (times, 1))})) for times in (1, 8)
    )
    assert width(eight) == pytest.approx(width(one), rel=0.1)


def test_replicates_are_resampled_jointly_for_all_domains():
    """What one seed wins on one domain and loses on another is no doubt about their mean."""
    luck_R1 = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    up, down = np.tile(luck_R1, (1, 50)), np.tile(-luck_R1, (1, 50))
    assert width(paired_bootstrap(accuracies({"a": up, "b": down}))) == pytest.approx(0)
    assert width(paired_bootstrap(accuracies({"a": up, "b": up}))) > 1


def test_a_seed_repeats_the_interval():
    difference_RN = np.random.default_rng(0).normal(size=(3, 50))
    first, again = (paired_bootstrap(accuracies({"only": difference_RN}), seed=1) for _ in range(2))
    assert first == again != paired_bootstrap(accuracies({"only": difference_RN}), seed=2)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Right where skill plus luck of example, pair of both, seed and run is above zero."""
    rng, spread = np.random.default_rng(0), math.sqrt(1.0**2 + 0.5**2 + 0.1**2 + 0.5**2)

    def right(skill, example_N):
        own_N, seed_R1 = rng.normal(0, 0.5, example_N.shape), rng.normal(0, 0.1, (10, 1))
        return skill + example_N + own_N + seed_R1 + rng.normal(0, 0.5, (10, len(example_N))) > 0

    truth = stats.norm.cdf(0.75 / spread) - stats.norm.cdf(0.6 / spread)
    covered = 0
    for _ in range(200):
        differences = {}
        for domain in ("a", "b"):
            example_N = rng.normal(size=200)
            differences[domain] = right(0.75, example_N).astype(float) - right(0.6, example_N)
        interval = paired_bootstrap(accuracies(differences), resamples=400)
        covered += interval.low <= truth <= interval.high
    assert 0.92 <= covered / 200 <= 0.98
