"""Shapes: R replicates, N test examples of a domain."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from doge_ray.tickets.counts import Counts, right_or_wrong
from doge_ray.tickets.statistics import Interval, mean_interval, paired_bootstrap


def accuracies(differences):
    """Counts of one prediction to each example, of which the method has that many more right."""
    pairs = {}
    for name, difference_RN in differences.items():
        one = np.ones(difference_RN.shape)
        pairs[name] = Counts(difference_RN, one, one), Counts(0 * one, one, one)
    return pairs


def bootstrap(differences, **options):
    return paired_bootstrap(accuracies(differences), **options)


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
    interval = bootstrap({"a": np.full((3, 40), 0.25), "b": np.full((3, 7), 0.75)})
    assert interval == pytest.approx((0.5, 0.5, 0.5))


def test_domains_weigh_the_same_whatever_their_size():
    interval = bootstrap({"small": np.ones((2, 10)), "large": np.zeros((2, 990))})
    assert interval == pytest.approx((0.5, 0.5, 0.5))


def test_the_interval_is_that_of_the_test_examples():
    """With one replicate it is the ordinary interval of a mean."""
    difference_RN = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (1, 2000), p=[0.1, 0.7, 0.2])
    interval = bootstrap({"only": difference_RN})
    half = 1.96 * difference_RN.std() / math.sqrt(2000)
    assert interval.mean == pytest.approx(difference_RN.mean())
    assert interval.low == pytest.approx(interval.mean - half, abs=0.1 * half)
    assert interval.high == pytest.approx(interval.mean + half, abs=0.1 * half)


def test_pairing_narrows_the_interval():
    """Both methods fail on the same hard examples; unpaired, that agreement is lost."""
    rng = np.random.default_rng(0)
    baseline_RN = (rng.random(1000) < 0.7)[None].astype(float)
    method_RN = np.where(rng.random((1, 1000)) < 0.05, 1.0, baseline_RN)
    paired = bootstrap({"only": method_RN - baseline_RN})
    unpaired = bootstrap({"only": method_RN - rng.permuted(baseline_RN, axis=1)})
    assert paired.mean == pytest.approx(unpaired.mean)
    assert paired.low > 0 > unpaired.low
    assert width(paired) < width(unpaired) / 3


def test_the_same_examples_in_every_replicate_are_no_new_examples():
    row_N = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], 500)
    one, eight = (bootstrap({"only": np.tile(row_N, (times, 1))}) for times in (1, 8))
    assert width(eight) == pytest.approx(width(one), rel=0.1)


def test_replicates_are_resampled_jointly_for_all_domains():
    """What one seed wins on one domain and loses on another is no doubt about their mean."""
    luck_R1 = np.array([[1.0], [-1.0], [1.0], [-1.0]])
    up, down = np.tile(luck_R1, (1, 50)), np.tile(-luck_R1, (1, 50))
    assert width(bootstrap({"a": up, "b": down})) == pytest.approx(0)
    assert width(bootstrap({"a": up, "b": up})) > 1


def test_a_seed_repeats_the_interval():
    difference_RN = np.random.default_rng(0).normal(size=(3, 50))
    first, again = (bootstrap({"only": difference_RN}, seed=1) for _ in range(2))
    assert first == again != bootstrap({"only": difference_RN}, seed=2)


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
        interval = bootstrap(differences, resamples=400)
        covered += interval.low <= truth <= interval.high
    assert 0.92 <= covered / 200 <= 0.98


def entities(rng, shape):
    """Random counts of entities; most sentences have none."""
    expected, predicted = rng.poisson(0.5, shape), rng.poisson(0.5, shape)
    return Counts(rng.binomial(np.minimum(expected, predicted), 0.7), predicted, expected)


def test_f1_is_computed_anew_from_every_resample():
    """Against a plain loop over the same draws."""
    rng, draws = np.random.default_rng(3), []
    pairs = {str(n): (entities(rng, (2, n)), entities(rng, (2, n))) for n in (9, 5)}
    same = np.random.default_rng(0)
    weights_SR = same.multinomial(2, [0.5, 0.5], size=50)
    times_SN = {n: same.multinomial(n, np.full(n, 1 / n), size=50) for n in (9, 5)}
    for s in range(50):
        differences = []
        for method, baseline in pairs.values():
            num_examples = method.matched.shape[1]
            drawn = np.repeat(np.arange(num_examples), times_SN[num_examples][s])
            runs = np.repeat([0, 1], weights_SR[s])
            differences.append(
                np.mean([method[r, drawn].metric - baseline[r, drawn].metric for r in runs])
            )
        draws.append(np.mean(differences))
    low, high = np.quantile(draws, [0.025, 0.975])
    interval = paired_bootstrap(pairs, resamples=50)
    whole = [np.mean([m[r].metric - b[r].metric for r in (0, 1)]) for m, b in pairs.values()]
    assert interval == pytest.approx((np.mean(whole), low, high))


def test_quantiles_on_a_step_are_exact():
    """Draws of two accuracies are few fractions, and each quantile is one of them."""
    letters, jokes = np.arange(40), np.arange(25)
    right = {
        "letters": ([23, 23, 26], [20, 21, 22], letters),
        "jokes": ([16, 17, 17], [15, 15, 16], jokes),
    }
    pairs = {
        name: tuple(right_or_wrong(place_N < np.array(count)[:, None]) for count in counts)
        for name, (*counts, place_N) in right.items()
    }
    interval = paired_bootstrap(pairs)
    exact = Fraction(77, 1200), Fraction(7, 400), Fraction(37, 300)
    assert interval == pytest.approx([float(value) for value in exact], abs=1e-15)


def test_a_difference_of_f1_is_not_the_mean_over_sentences():
    """One long sentence with all entities wrong weighs more than nine with a single right one."""
    expected = np.array([[10] + [1] * 9])
    perfect, flawed = Counts(expected, expected, expected), expected.copy()
    flawed[0, 0] = 0
    interval = paired_bootstrap({"only": (Counts(flawed, expected, expected), perfect)})
    assert interval.mean == pytest.approx(9 / 19 - 1)


def test_nothing_to_find_and_nothing_found_is_zero():
    none = np.zeros((1, 4), int)
    assert Counts(none, none, none).metric == 0
    pair = Counts(none, none, none), Counts(none, none, none)
    assert paired_bootstrap({"only": pair}) == (0, 0, 0)
