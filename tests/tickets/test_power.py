import math

import numpy as np
import pytest
from scipy import stats

from doge_ray.tickets.power import expected_maximum, oracle_bias, replicates_needed


def found(n: int, ratio: float, level: float = 0.05) -> float:
    """Power of the paired t-test, from the noncentral t distribution."""
    critical, shift = stats.t.ppf(1 - level / 2, n - 1), math.sqrt(n) / ratio
    return float(stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift))


@pytest.mark.parametrize("ratio", [1.0, 2.0, 4.0, 10.0])
def test_so_many_replicates_find_the_effect_four_times_in_five(ratio):
    spread = np.array([-1.0, 1.0]) * ratio * 0.005 / math.sqrt(2)
    n = replicates_needed(spread, 0.005)
    assert found(n, ratio) == pytest.approx(0.8, abs=0.03)
    assert found(n, ratio) >= 0.79


def test_one_seed_tells_nothing():
    assert replicates_needed([0.01], 0.005) is None
    assert replicates_needed([], 0.005) is None


def test_seeds_that_agree_by_chance_promise_nothing():
    assert replicates_needed([0.01, 0.01], 0.005) is None
    assert replicates_needed([0.01, 0.0101], 0.005) == 2


def test_the_best_of_24_draws():
    assert expected_maximum(1) == pytest.approx(0, abs=1e-9)
    assert expected_maximum(2) == pytest.approx(1 / math.sqrt(math.pi))
    assert expected_maximum(24) == pytest.approx(1.948, abs=0.001)


def test_with_no_difference_the_oracle_is_as_lucky_as_predicted():
    """500 studies of 12 equal trials: the best by target against the one an honest rule takes."""
    rng = np.random.default_rng(0)
    metrics = 0.7 + rng.normal(0, 0.01, (500, 12))
    gain = metrics.max(1) - metrics[:, 0]
    assert gain.mean() == pytest.approx(np.mean([oracle_bias(row) for row in metrics]), rel=0.06)
    assert gain.mean() == pytest.approx(0.01 * expected_maximum(12), rel=0.06)


def test_one_trial_has_no_luck():
    assert oracle_bias([0.7]) is None
