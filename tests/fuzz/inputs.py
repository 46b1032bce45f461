"""The inputs that are fuzzed, and the property that all of them have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.fuzz.box import boxed

CASES = {
    "sweep_files": 10_000,
    "tickets": 10_000,
    "score_tables": 10_000,
    "texts": 10_000,
    "model_folders": 2_000,  # a network is built in each
    "storages": 1_000,  # a report is made and a sweep prepared in each
    "names": 2_000,  # two trainings in each
}
"""By module: how many cases ``make fuzz`` runs of each."""
RAN: Counter[str] = Counter()


def property_of(name: str, cases: int, *, fixed: bool = False) -> Callable[[], None]:
    """A Hypothesis test: no case of an input does more than be accepted or refused.

    ``fixed`` draws the same cases each time. The test counts in ``RAN``.
    """
    module: Any = import_module(f"tests.fuzz.{name}")
    drawn = module.cases() if callable(module.cases) else module.cases

    @settings(
        max_examples=cases,
        derandomize=fixed,
        deadline=None,  # a case has its own
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(drawn)
    def never_more(case: Any) -> None:
        RAN[name] += 1
        with boxed() as folder:
            module.check(folder, case)

    return never_more
