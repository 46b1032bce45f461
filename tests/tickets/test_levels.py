import pytest

from doge_ray.config import SearchConfig
from doge_ray.tickets.draw import draw_ticket, units_removed
from doge_ray.tickets.levels import PAPER_LEVELS
from doge_ray.tickets.ticket import UnitParameters
from tests.tickets.material import single_domain

# Heads and FFN blocks of BERT-base in the authors' scripts/rewind_amazon.sh, after the dense level.
HEADS = [
    *(7, 7, 14, 21, 28, 28, 36, 43, 50, 50, 57, 64, 72),
    *(72, 79, 86, 93, 93, 100, 108, 115, 115, 122, 129),
]
FFNS = [0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6]
# Of BERT-base: a head with its bias and share of W_O, an FFN block, twelve layers.
BERT_BASE = UnitParameters(196_800, 4_722_432, 85_054_464)


def test_the_released_numbers_of_units():
    levels = [(units_removed(a, 144), units_removed(b, 12)) for a, b in PAPER_LEVELS.values()]
    assert levels == [(0, 0), *zip(HEADS, FFNS, strict=True)]


def test_a_levels_sparsity_is_the_share_of_bert_bases_encoder():
    assert list(PAPER_LEVELS) == sorted(PAPER_LEVELS)
    assert len(PAPER_LEVELS) == 25
    for sparsity, level in PAPER_LEVELS.items():
        moments = single_domain([[1] * 12] * 12, [1] * 12)
        ticket = draw_ticket("winning", moments, level.heads, BERT_BASE, ffn_sparsity=level.ffns)
        assert ticket.parameter_fraction == pytest.approx(sparsity, abs=0.003)
    assert max(PAPER_LEVELS) == pytest.approx(0.63, abs=0.005)


def test_the_levels_are_a_space_by_their_name():
    search = SearchConfig(sparsity="paper", sampler="grid", learning_rate=1e-5)
    assert search.space("sparsity") == tuple(PAPER_LEVELS)
    assert search.level(0.6333) == (0.9, 0.5)
    assert SearchConfig.model_validate(search.model_dump(mode="json")) == search


def test_elsewhere_one_fraction_is_for_both():
    assert SearchConfig(sparsity=(0.2, 0.4)).level(0.2) == (0.2, 0.2)
    assert SearchConfig().level(0.31) == (0.31, 0.31)
