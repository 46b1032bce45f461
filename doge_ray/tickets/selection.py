"""Which trial a study chooses, by the one number that it is shown of each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan

from doge_ray.tickets.ties import first_best


@dataclass(frozen=True)
class Candidate:
    """A finished trial as selection sees it: one number, from the source domains alone.

    It is the mean dev metric of the domains trained on, or the mean metric over folds, each
    without one source domain. Only ``selection: oracle`` puts the target metric there.
    """

    trial: int
    metric: float


def choose(records: Iterable[Candidate]) -> int | None:
    """The trial with the best metric, the earliest of equals.

    None where none finished, or none with a number.
    """
    comparable = (record for record in records if not isnan(record.metric))
    ordered = sorted(comparable, key=lambda record: record.trial)
    return ordered[first_best([record.metric for record in ordered])].trial if ordered else None
