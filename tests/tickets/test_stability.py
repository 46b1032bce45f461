import numpy as np
import pytest

from doge_ray.tickets.stability import chance_jaccard, jaccard, mean_jaccard
from doge_ray.tickets.ticket import Ticket
from tests.tickets.material import PARAMETERS


def ticket(heads, ffns) -> Ticket:
    return Ticket("random", np.array(heads, bool), np.array(ffns, bool), 0.5, PARAMETERS)


A = ticket([[1, 0, 0], [1, 1, 1]], [1, 0])
B = ticket([[1, 1, 0], [0, 1, 1]], [1, 0])
WHOLE = ticket(np.ones((2, 3)), np.ones(2))


def test_counts_heads_and_blocks_together():
    assert jaccard(A, B) == pytest.approx(2 / 4)
    assert jaccard(A, A) == 1
    assert jaccard(A, WHOLE) == 0


def test_the_mean_is_over_pairs():
    assert mean_jaccard([A, A, B]) == pytest.approx((1 + 0.5 + 0.5) / 3)
    assert mean_jaccard([A]) is None


def test_nothing_removed_is_the_same():
    assert jaccard(WHOLE, WHOLE) == chance_jaccard(WHOLE, WHOLE) == 1


def test_chance_is_what_random_masks_have_on_average():
    rng = np.random.default_rng(0)

    def draw() -> Ticket:
        heads, ffns = np.ones(24, bool), np.ones(4, bool)
        heads[rng.permutation(24)[:7]] = False
        ffns[rng.permutation(4)[:1]] = False
        return ticket(heads.reshape(4, 6), ffns)

    seen = np.mean([jaccard(draw(), draw()) for _ in range(4000)])
    assert chance_jaccard(draw(), draw()) == pytest.approx(seen, abs=0.005)
