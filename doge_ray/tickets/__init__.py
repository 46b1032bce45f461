"""The paper's mathematics, without torch.

Reading order: ``importance`` (sensitivities to scores, section 3.2), ``kinds`` (which score ranks
the units), ``ticket`` (what is kept), ``draw`` (scores to tickets), ``levels`` (the paper's
sparsities), ``overlap`` (how alike two are), ``metrics`` and ``counts`` (what is measured),
``selection`` (which trial a study chooses), ``statistics`` (how sure the comparison is), ``ties``
(when two numbers are equal). Nothing here loads torch or Ray.
"""

from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments, Scores, domain_general_score, expressive_score
from doge_ray.tickets.overlap import Overlap, overlap
from doge_ray.tickets.ticket import Ticket, UnitParameters

__all__ = [
    "Moments",
    "Overlap",
    "Scores",
    "Ticket",
    "UnitParameters",
    "domain_general_score",
    "draw_ticket",
    "expressive_score",
    "overlap",
]
