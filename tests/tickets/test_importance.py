import math
from statistics import fmean, pvariance

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.errors import InputError
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import (
    Moments,
    Scores,
    domain_general_score,
    domain_scores,
    expressive_score,
)
from tests.tickets.material import PARAMETERS, Sensitivities, sensitivities

LAMBDAS = st.sampled_from([0.0, 0.5, 10.0, 100.0])
NORMALIZE = st.sampled_from(["heads", "all"])


def unit_norm(values):
    norm = math.sqrt(sum(value * value for value in values))
    return [value / norm if norm else 0.0 for value in values]


def loops(domains, normalize):
    """The expressive scores of a set of domains, one unit and one example at a time."""
    examples = [(head, ffn) for d in domains for head, ffn in zip(*d, strict=True)]
    layers, heads = examples[0][0].shape
    head_LH = [
        unit_norm([fmean(head[i, j] for head, _ in examples) for j in range(heads)])
        for i in range(layers)
    ]
    ffn_L = [fmean(ffn[i] for _, ffn in examples) for i in range(layers)]
    return head_LH, unit_norm(ffn_L) if normalize == "all" else ffn_L


def same(scores: Scores, other: Scores) -> bool:
    return all(
        np.allclose(a, b, rtol=1e-9, atol=1e-9)
        for a, b in ((scores.head_LH, other.head_LH), (scores.ffn_L, other.ffn_L))
    )


@given(sensitivities(), NORMALIZE)
def test_expressive_score_is_the_equation(material, normalize):
    domains = list(zip(material.head_NLH.values(), material.ffn_NL.values(), strict=True))
    expected = Scores(*map(np.array, loops(domains, normalize)))
    assert same(expressive_score(material.moments(), normalize), expected)


@given(sensitivities(), LAMBDAS, NORMALIZE)
def test_domain_general_score_is_the_equation(material, variance_weight, normalize):
    domains = zip(material.head_NLH.values(), material.ffn_NL.values(), strict=True)
    alone = [loops([domain], normalize) for domain in domains]

    def over_domains(values):
        return fmean(values) - variance_weight * pvariance(values)

    heads = [
        [over_domains(units) for units in zip(*layer, strict=True)]
        for layer in zip(*(head_LH for head_LH, _ in alone), strict=True)
    ]
    ffns = [over_domains(units) for units in zip(*(ffn_L for _, ffn_L in alone), strict=True)]
    score = domain_general_score(material.moments(), variance_weight, normalize)
    assert np.allclose(score.head_LH, heads, atol=1e-9)
    # Raw FFN scores reach 1000, and their variance a million times λ.
    assert np.allclose(score.ffn_L, ffns, rtol=1e-9, atol=1e-6)


@given(sensitivities(), LAMBDAS, NORMALIZE, st.randoms(use_true_random=False))
def test_the_order_of_domains_and_examples_does_not_matter(material, weight, normalize, random):
    names = random.sample(list(material.head_NLH), len(material.head_NLH))
    rows = {n: np.array(random.sample(range(size), size)) for n, size in sizes(material).items()}
    shuffled = material.select({name: rows[name] for name in names}).moments()
    assert same(
        domain_general_score(shuffled, weight, normalize),
        domain_general_score(material.moments(), weight, normalize),
    )
    assert same(expressive_score(shuffled), expressive_score(material.moments()))


@given(sensitivities(), LAMBDAS, st.data())
def test_the_split_of_the_examples_over_batches_and_workers_does_not_matter(material, weight, data):
    cuts = {name: data.draw(st.integers(0, size)) for name, size in sizes(material).items()}
    first = material.select({name: np.arange(cut) for name, cut in cuts.items()}).moments()
    last = material.select({n: np.arange(cuts[n], size) for n, size in sizes(material).items()})
    total = Moments(first.domains, *map(np.add, sums(first), sums(last.moments())))
    whole = material.moments()
    for summed, expected in zip(sums(total), sums(whole), strict=True):
        assert np.array_equal(summed, expected)
    assert same(domain_general_score(total, weight), domain_general_score(whole, weight))


@given(sensitivities(), LAMBDAS, st.integers(2, 5))
def test_a_domain_weighs_the_same_whatever_its_size(material, weight, times):
    rows = {name: np.arange(size) for name, size in sizes(material).items()}
    name = next(iter(rows))
    grown = material.select(rows | {name: np.tile(rows[name], times)})
    assert same(
        domain_general_score(grown.moments(), weight),
        domain_general_score(material.moments(), weight),
    )


def test_pooled_examples_weigh_the_same_whatever_their_domain():
    small_and_large = Sensitivities(
        {"small": np.full((1, 1, 2), [4.0, 0.0]), "large": np.full((3, 1, 2), [0.0, 4.0])},
        {"small": np.ones((1, 1)), "large": np.ones((3, 1))},
    )
    pooled = expressive_score(small_and_large.moments()).head_LH
    assert np.allclose(pooled, np.array([[1.0, 3.0]]) / math.sqrt(10))


def test_without_variance_it_is_still_not_the_expressive_score():
    """One loud domain decides the pooled score; normalised, it has one voice of two."""
    loud = Sensitivities(
        {"loud": np.array([[[60.0, 80.0]]]), "quiet": np.array([[[1.0, 0.0]]])},
        {"loud": np.ones((1, 1)), "quiet": np.ones((1, 1))},
    ).moments()
    winning = draw_ticket("winning", loud, 0.5, PARAMETERS)
    doge = draw_ticket("doge", loud, 0.5, PARAMETERS, variance_weight=0.0)
    assert winning.head_mask.tolist() == [[False, True]]
    assert doge.head_mask.tolist() == [[True, False]]


def test_the_variance_is_the_population_variance():
    two = Sensitivities(
        {"a": np.array([[[3.0, 4.0]]]), "b": np.array([[[4.0, 3.0]]])},
        {"a": np.ones((1, 1)), "b": np.ones((1, 1))},
    ).moments()
    assert domain_general_score(two, 10.0).head_LH == pytest.approx(0.7 - 10 * 0.1**2)


@given(sensitivities(largest=1))
def test_normalised_scores_have_norm_one_or_are_zero(material):
    head_DLH, ffn_DL = domain_scores(material.moments(), "all")
    norms = np.concatenate(
        [np.linalg.norm(head_DLH, axis=-1).ravel(), np.linalg.norm(ffn_DL, axis=-1)]
    )
    assert all(norm == 0 or norm == pytest.approx(1) for norm in norms)


def test_ffn_blocks_are_normalised_only_when_asked():
    moments = Sensitivities(
        {"a": np.ones((1, 2, 2)), "b": np.ones((1, 2, 2))},
        {"a": np.array([[3.0, 4.0]]), "b": np.array([[30.0, 40.0]])},
    ).moments()
    assert domain_scores(moments, "heads")[1].tolist() == [[3, 4], [30, 40]]
    assert np.allclose(domain_scores(moments, "all")[1], [[0.6, 0.8], [0.6, 0.8]])


def test_a_silent_layer_scores_zero():
    moments = Moments.zeros(["a", "b"], 2, 3)
    moments.count_D[:] = 5
    for scores in (expressive_score(moments), domain_general_score(moments, 10.0)):
        assert not scores.head_LH.any()
        assert not scores.ffn_L.any()


def sizes(material: Sensitivities) -> dict[str, int]:
    return {name: len(values) for name, values in material.head_NLH.items()}


def sums(moments: Moments) -> list[np.ndarray]:
    return [
        moments.count_D,
        moments.head_sum_DLH,
        moments.head_sum_sq_DLH,
        moments.ffn_sum_DL,
        moments.ffn_sum_sq_DL,
    ]


@pytest.mark.parametrize("normalize", ["all", "heads"])
def test_what_is_not_finite_is_refused(normalize):
    moments = Moments.zeros(["a"], 1, 2)
    moments.count_D[:] = 1
    moments.ffn_sum_DL[:] = np.nan
    with pytest.raises(InputError, match="not finite"):
        expressive_score(moments, normalize)
