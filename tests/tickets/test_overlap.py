import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.errors import InputError
from doge_ray.tickets import Ticket, overlap
from doge_ray.tickets.overlap import Shared, chance_jaccard, jaccard
from tests.tickets.material import PARAMETERS


def ticket(head_mask, ffn_mask) -> Ticket:
    return Ticket("doge", np.array(head_mask, bool), np.array(ffn_mask, bool), 0.5, PARAMETERS)


def drawn(seed: int) -> Ticket:
    rng = np.random.default_rng(seed)
    return ticket(rng.random((3, 4)) < 0.5, rng.random(3) < 0.5)


def test_by_hand():
    one = ticket([[0, 0, 1], [1, 0, 1]], [0, 1])
    other = ticket([[0, 1, 1], [0, 0, 1]], [1, 0])
    shared = overlap(one, other)
    assert shared.heads == Shared(both=2, either=4)
    assert shared.heads.jaccard == 0.5
    assert shared.ffns.jaccard == 0.0


def test_nothing_removed_is_alike():
    whole = ticket([[1, 1]], [1])
    assert overlap(whole, whole).heads.jaccard == overlap(whole, whole).ffns.jaccard == 1.0


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_it_is_symmetric_and_one_for_itself(a, b):
    one, other = drawn(a), drawn(b)
    assert overlap(one, other) == overlap(other, one)
    assert 0 <= overlap(one, other).heads.jaccard <= 1
    assert overlap(one, one).heads.jaccard == overlap(one, one).ffns.jaccard == 1.0


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match=r"\(1, 2\) and \(2, 2\) .* name two of the same model"):
        overlap(ticket([[1, 1]], [1]), ticket([[1, 1], [1, 1]], [1, 1]))


A = ticket([[1, 0, 0], [1, 1, 1]], [1, 0])
B = ticket([[1, 1, 0], [0, 1, 1]], [1, 0])
WHOLE = ticket(np.ones((2, 3)), np.ones(2))


def test_counts_heads_and_blocks_together():
    assert jaccard(A, B) == pytest.approx(2 / 4)
    assert jaccard(A, A) == 1
    assert jaccard(A, WHOLE) == 0


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
