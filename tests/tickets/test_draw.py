from collections import Counter
from decimal import Decimal
from itertools import combinations
from math import floor

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import chisquare

from doge_ray.errors import InputError
from doge_ray.tickets.draw import draw_ticket, units_removed
from doge_ray.tickets.importance import Moments, domain_general_score, expressive_score
from tests.tickets.material import PARAMETERS, Sensitivities, sensitivities, single_domain

KINDS = ("doge", "winning", "losing", "random")


@given(st.integers(0, 999), st.integers(1, 5000))
def test_the_count_is_the_floor_of_the_decimal_that_was_written(thousandths, units):
    exact = Decimal(thousandths) / 1000
    assert units_removed(float(exact), units) == floor(exact * units)


def test_no_unit_is_lost_to_rounding():
    assert 0.29 * 100 < 29
    assert units_removed(0.29, 100) == 29


@given(
    sensitivities(largest=2),
    st.sampled_from(KINDS),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 3),
)
def test_counts_are_exact_and_every_layer_keeps_its_heads(material, kind, sparsity, min_heads):
    moments = material.moments()
    layers, heads = moments.shape
    removed = units_removed(sparsity, layers * heads)
    assume(removed <= layers * max(0, heads - min_heads))
    ticket = draw_ticket(kind, moments, sparsity, PARAMETERS, min_heads=min_heads, seed=3)
    assert (~ticket.head_mask).sum() == removed
    assert (~ticket.ffn_mask).sum() == units_removed(sparsity, layers)
    assert ticket.head_mask.sum(1).min() >= min(min_heads, heads)


def greedy(scores_LH, removed, min_heads):
    """Walk the ranking over all layers, passing over layers that are down to ``min_heads``.

    Scores of small whole numbers are equal, or apart by far more than nine decimals.
    """
    kept, rounded_LH = np.ones(scores_LH.shape, bool), np.round(scores_LH, 9)
    for unit in sorted(np.ndindex(*scores_LH.shape), key=lambda unit: (rounded_LH[unit], unit)):
        if removed and kept[unit[0]].sum() > min_heads:
            kept[unit] = False
            removed -= 1
    return kept


@given(
    sensitivities(largest=2),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 3),
    st.sampled_from([0.0, 1.0, 100.0]),
)
def test_masks_are_those_of_a_greedy_walk(material, sparsity, min_heads, weight):
    moments = material.moments()
    layers, heads = moments.shape
    removed = units_removed(sparsity, layers * heads)
    assume(removed <= layers * max(0, heads - min_heads))
    for kind, scores in (
        ("doge", domain_general_score(moments, weight)),
        ("winning", expressive_score(moments)),
    ):
        ticket = draw_ticket(
            kind, moments, sparsity, PARAMETERS, variance_weight=weight, min_heads=min_heads
        )
        assert np.array_equal(ticket.head_mask, greedy(scores.head_LH, removed, min_heads))
        ffns = greedy(scores.ffn_L[:, None], units_removed(sparsity, layers), 0)
        assert np.array_equal(ticket.ffn_mask, ffns[:, 0])


@pytest.mark.parametrize("kind", ["doge", "winning", "losing"])
@pytest.mark.parametrize("removed", [3, 7, 11])
def test_of_units_that_are_equal_but_for_rounding_the_first_go(kind, removed):
    """Every head's share of its layer is the same; divided by its norm, in all but last bits."""
    loud_L1 = np.arange(1.0, 21.0)[:, None]
    moments = single_domain(loud_L1 * np.ones(3), np.ones(20))
    assert len(np.unique(expressive_score(moments).head_LH)) > 1
    ticket = draw_ticket(kind, moments, removed / 60, PARAMETERS)
    pruned = np.flatnonzero(~ticket.head_mask).tolist()
    assert pruned == [unit for unit in range(60) if unit % 3 < 2][:removed]  # each keeps its last


def test_a_layer_down_to_its_last_heads_is_passed_over():
    """Two heads of the first layer rank lowest of all, but only one of them may go."""
    moments = single_domain([[1, 2, 50], [10, 10, 10]], [1, 1])
    ticket = draw_ticket("winning", moments, 0.34, PARAMETERS, min_heads=2)
    assert ticket.head_mask.tolist() == [[False, True, True], [False, True, True]]


@given(
    sensitivities(largest=5),
    st.sampled_from(KINDS),
    st.lists(st.floats(0, 0.999), min_size=2, max_size=2).map(sorted),
)
def test_masks_of_growing_sparsity_are_nested(material, kind, sparsities):
    few, many = (
        draw_ticket(kind, material.moments(), s, PARAMETERS, variance_weight=1.0, min_heads=0)
        for s in sparsities
    )
    assert not (many.head_mask & ~few.head_mask).any()
    assert not (many.ffn_mask & ~few.ffn_mask).any()


@given(st.integers(1, 11), st.integers(0, 1000))
def test_losing_is_the_opposite_of_winning(removed, seed):
    rng = np.random.default_rng(seed)
    moments = single_domain(rng.random((12, 12)), rng.random(12))
    losing, winning = (
        draw_ticket(kind, moments, units / 12, PARAMETERS, min_heads=0)
        for kind, units in (("losing", removed), ("winning", 12 - removed))
    )
    assert np.array_equal(losing.head_mask, ~winning.head_mask)
    assert np.array_equal(losing.ffn_mask, ~winning.ffn_mask)


def test_a_very_negative_ffn_block_goes_first():
    """The released code ranks FFN blocks by |score| and so keeps the most domain-specific one."""
    specific = Sensitivities(
        {"a": np.ones((1, 3, 2)), "b": np.ones((1, 3, 2))},
        {"a": np.array([[9.0, 5.0, 5.0]]), "b": np.array([[1.0, 5.0, 5.0]])},
    ).moments()
    scores = domain_general_score(specific, 100.0).ffn_L
    assert abs(scores).argmax() == scores.argmin() == 0
    ticket = draw_ticket("doge", specific, 0.34, PARAMETERS, variance_weight=100.0)
    assert ticket.ffn_mask.tolist() == [False, True, True]


def test_random_tickets_are_uniform_draws_without_replacement():
    nothing = Moments.zeros(["unread"], 4, 2)
    draws, half = 3000, 0.5
    tickets = [draw_ticket("random", nothing, half, PARAMETERS, seed=s) for s in range(draws)]
    ffns = Counter(tuple(np.flatnonzero(t.ffn_mask)) for t in tickets)
    assert set(ffns) == set(combinations(range(4), 2))
    assert chisquare(list(ffns.values())).pvalue > 0.001
    loose = [
        draw_ticket("random", nothing, half, PARAMETERS, seed=s, min_heads=0) for s in range(draws)
    ]
    heads = Counter(tuple(np.flatnonzero(t.head_mask)) for t in loose)
    assert set(heads) == set(combinations(range(8), 4))
    assert chisquare(list(heads.values())).pvalue > 0.001


def test_a_random_ticket_is_its_seed():
    nothing = Moments.zeros(["unread"], 12, 12)
    first, again, other = (
        draw_ticket("random", nothing, 0.5, PARAMETERS, seed=s) for s in (1, 1, 2)
    )
    assert first.digest == again.digest != other.digest


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 1.2, float("nan")])
def test_sparsities_outside_the_unit_interval_are_refused(sparsity):
    with pytest.raises(InputError, match=f"sparsity={sparsity:g} is impossible; allowed: 0 <="):
        draw_ticket("winning", single_domain(np.ones((2, 2)), [1, 1]), sparsity, PARAMETERS)


@given(st.integers(1, 60), st.integers(1, 32), st.data())
def test_the_sparsity_that_a_refusal_recommends_is_possible(layers, heads, data):
    min_heads = data.draw(st.integers(1, heads + 1))
    moments = Moments.zeros(["unread"], layers, heads)

    def draw(sparsity):
        return draw_ticket("random", moments, sparsity, PARAMETERS, min_heads=min_heads)

    with pytest.raises(InputError, match=f"keeps min_heads={min_heads}; choose") as refusal:
        draw(np.nextafter(1.0, 0.0))
    draw(float(str(refusal.value).rsplit("up to ", 1)[1]))


def test_a_kind_that_is_not_drawn_is_refused():
    with pytest.raises(InputError, match="'dense' cannot be drawn; allowed: random, winning, doge"):
        draw_ticket("dense", single_domain([[1]], [1]), 0.0, PARAMETERS)


def test_a_hyperparameter_that_no_kind_has_is_refused():
    with pytest.raises(TypeError, match="no kind of ticket has variance_wieght"):
        draw_ticket("doge", single_domain([[1]], [1]), 0.0, PARAMETERS, variance_wieght=1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_ticket_records_what_its_score_has_read(kind):
    moments = single_domain(np.ones((2, 3)), [1, 2])
    ticket = draw_ticket(kind, moments, 0.4, PARAMETERS, variance_weight=10.0, seed=5)
    recorded = {
        "doge": {"variance_weight": 10.0, "normalize": "all"},
        "winning": {"normalize": "all"},
        "losing": {"normalize": "all"},
        "random": {"seed": 5},
    }
    assert ticket.provenance == recorded[kind]
