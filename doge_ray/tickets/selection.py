"""Which trial a study chooses. These types carry no target metric, so none can be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class DevRecord:
    """A finished trial as selection sees it: the mean dev metric over the source domains."""

    trial: int
    dev_metric: float


def choose(records: Iterable[DevRecord]) -> int | None:
    """The trial with the best dev metric, the earliest of equals; None where none finished."""
    best = min(records, key=lambda record: (-record.dev_metric, record.trial), default=None)
    return None if best is None else best.trial
