"""The methods that are compared: a ticket, an objective, or both (``doge+irm``)."""

from __future__ import annotations

from itertools import chain

from doge_ray.hyperparameters import TRAINING, Hyperparameter
from doge_ray.objectives import OBJECTIVES
from doge_ray.tickets.kinds import KINDS, drawn_kinds

HYPERPARAMETERS = tuple(
    dict.fromkeys(
        chain(
            TRAINING,
            *(kind.hyperparameters for kind in KINDS.values()),
            *(objective.hyperparameters for objective in OBJECTIVES.values()),
        )
    )
)
"""All that any method is drawn, in the order of the settings of ``search``."""

ALL = {each.name: each for each in HYPERPARAMETERS}
"""What a trial may have, by name, in the order of columns; of those that share one, the last."""


def kind_of(method: str) -> str:
    """The ticket of a method; an objective alone trains the dense network."""
    kind = method.partition("+")[0]
    return "dense" if kind in OBJECTIVES else kind


def objective_of(method: str) -> str | None:
    """The objective of a method; None for the mean loss of the examples."""
    last = method.rpartition("+")[2]
    return last if last in OBJECTIVES else None


def hyperparameters(method: str) -> tuple[Hyperparameter, ...]:
    """What the trials of a method are drawn, in the order in which it is."""
    objective = objective_of(method)
    return (
        *TRAINING,
        *KINDS[kind_of(method)].hyperparameters,
        *(OBJECTIVES[objective].hyperparameters if objective else ()),
    )


def compares_domains(method: str) -> bool:
    """Whether a method says nothing where there is one source domain alone."""
    return objective_of(method) is not None or KINDS[kind_of(method)].compares_domains


def check_method(method: str) -> str:
    """Refuse what is neither a ticket, an objective, nor one of each.

    Raises:
        ValueError: names it and what is allowed.
    """
    kind, plus, objective = method.partition("+")
    alone = not plus and (kind in KINDS or kind in OBJECTIVES)
    both = kind in drawn_kinds() and objective in OBJECTIVES
    if not (alone or both):
        raise ValueError(
            f"{method!r} is no method; allowed: {', '.join((*KINDS, *OBJECTIVES))}, or a ticket "
            "with an objective, such as doge+irm"
        )
    return method
