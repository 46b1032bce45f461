"""Names that packages share without importing each other."""

from doge_ray.config.methods import KINDS, OBJECTIVES
from doge_ray.stages.objectives import ROWS_PER_DOMAIN
from doge_ray.tickets import ticket


def test_what_can_be_configured_can_be_drawn_and_minimised():
    assert KINDS == ticket.KINDS
    assert set(OBJECTIVES) == set(ROWS_PER_DOMAIN)
