"""The methods that are compared: a ticket, an objective, or both (``doge+irm``)."""

from __future__ import annotations

KINDS = ("dense", "random", "winning", "doge", "losing")
"""What is pruned: nothing, or by a ticket of this kind."""
OBJECTIVES = ("irm", "group_dro", "vrex", "coral")
"""What is minimised instead of the mean loss of the examples."""

_OF_KIND = {
    "dense": (),
    "random": ("sparsity",),
    "winning": ("sparsity",),
    "losing": ("sparsity",),
    "doge": ("sparsity", "variance_weight"),
}


def kind_of(method: str) -> str:
    """The ticket of a method; an objective alone trains the dense network."""
    kind = method.partition("+")[0]
    return "dense" if kind in OBJECTIVES else kind


def objective_of(method: str) -> str | None:
    """The objective of a method; None for the mean loss of the examples."""
    last = method.rpartition("+")[2]
    return last if last in OBJECTIVES else None


def dimensions(method: str) -> dict[str, str]:
    """The hyper-parameters of a method, each with the setting of ``search`` that it is drawn by."""
    names = ("learning_rate", "batch_size", *_OF_KIND[kind_of(method)])
    fields = {name: name for name in names}
    objective = objective_of(method)
    if objective is not None:
        fields["strength"] = f"{objective}_strength"
    if objective == "irm":
        fields["anneal"] = "irm_anneal"
    return fields


def check_method(method: str) -> str:
    """Refuse what is neither a ticket, an objective, nor one of each.

    Raises:
        ValueError: names it and what is allowed.
    """
    kind, plus, objective = method.partition("+")
    alone = not plus and kind in (*KINDS, *OBJECTIVES)
    both = kind in KINDS[1:] and objective in OBJECTIVES
    if not (alone or both):
        raise ValueError(
            f"{method!r} is no method; allowed: {', '.join((*KINDS, *OBJECTIVES))}, or a ticket "
            "with an objective, such as doge+irm"
        )
    return method
