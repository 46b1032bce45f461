"""A sweep by hand, in which choosing on the test set and choosing honestly differ.

Two target domains: 50 letters, of which the first 10 stand in the sources too, and 25 jokes.
"""

from __future__ import annotations

import numpy as np

from doge_ray.config.load import validate
from doge_ray.reporting.records import Predictions, SweepRecords
from doge_ray.reporting.trial_rows import TrialRow
from doge_ray.tickets.counts import right_or_wrong

METHODS = ("dense", "random", "winning", "doge", "losing")


def row(method: str, trial: int, replicate: int = 0, **fields) -> TrialRow:
    """A finished trial, but for the given fields."""
    pruned = method != "dense"
    finished = {
        "learning_rate": 2e-5,
        "batch_size": 16,
        "sparsity": 0.3 if pruned else 0.0,
        "variance_weight": 10.0 if method == "doge" else None,
        "selection_metric": fields.get("dev_metric"),
        "strength": 3.0 if method == "irm" else None,
        "anneal": None,
        "ticket": f"{method}-{trial}",
        "seed": 100 + replicate,
        "dev_metric": 0.7,
        "target_metric": 0.6,
        "target_metric_deduplicated": 0.55,
        "selected": False,
        "selected_oracle": False,
        "trained": True,
        "seconds": 12.5,
        "error": None,
        "status": "finished",
        "epochs": 3,
        "unit_fraction": 0.28 if pruned else 0.0,
        "parameter_fraction": 0.25 if pruned else 0.0,
    }
    return TrialRow(method, trial, replicate, **finished | fields)


UNFINISHED = {
    "dev_metric": None,
    "target_metric": None,
    "target_metric_deduplicated": None,
    "trained": False,
    "seconds": None,
    "epochs": None,
}
FAILED = UNFINISHED | {"status": "failed", "error": "OutOfMemoryError: CUDA out of memory"}
RUNNING = UNFINISHED | {"status": "running", "ticket": None}
REUSED = {"trained": False, "seconds": 0.0}
CHOSEN, ORACLE = {"selected": True}, {"selected_oracle": True}

SEARCH = [
    row("dense", 0, dev_metric=0.70, target_metric=0.600),
    row("dense", 1, dev_metric=0.72, target_metric=0.610, **CHOSEN),
    row("dense", 2, dev_metric=0.71, target_metric=0.634, **ORACLE),
    row("random", 0, dev_metric=0.69, target_metric=0.590, **CHOSEN, **ORACLE),
    row("random", 1, **FAILED),
    row("random", 2, **RUNNING),
    row("winning", 0, dev_metric=0.73, target_metric=0.64, sparsity=0.5, **CHOSEN, **ORACLE),
    row("winning", 1, dev_metric=0.70, target_metric=0.62, status="finished"),
    row("doge", 0, dev_metric=0.74, target_metric=0.65, variance_weight=50.0, **CHOSEN),
    row("doge", 1, dev_metric=0.74, target_metric=0.65, ticket="doge-0", **REUSED),
    row("doge", 2, dev_metric=0.73, target_metric=0.70, **ORACLE),
    row("losing", 0, **FAILED),
]

# Right answers among (letters, jokes) of each replicate.
RIGHT = {
    "dense": [(30, 15), (31, 15), (32, 16)],
    "winning": [(32, 15)],
    "doge": [(33, 16), (33, 17), (36, 17)],
}


def predictions(letters: int, jokes: int) -> Predictions:
    """The first examples of each domain are right."""
    return Predictions(
        domain_N=np.array(["letters"] * 50 + ["jokes"] * 25, object),
        counts_N=right_or_wrong(np.concatenate([np.arange(50) < letters, np.arange(25) < jokes])),
        duplicated_N=np.arange(75) < 10,
    )


REPLICATES = [
    row(
        method,
        trial=0,
        replicate=r,
        target_metric=(letters / 50 + jokes / 25) / 2,
        target_metric_deduplicated=((letters - 10) / 40 + jokes / 25) / 2,
    )
    for method, right in RIGHT.items()
    for r, (letters, jokes) in enumerate(right, 1)
] + [row("winning", 0, replicate=r, **FAILED) for r in (2, 3)]

CONFIG = validate(
    {
        "name": "some-sweep",
        "model": "some/encoder",
        "methods": ["dense", "random", "winning", "doge", "losing"],
        "data": {"set": "amazon", "split": "B"},
        "search": {"num_trials": 3, "sparsity": {"low": 0.1, "high": 0.6}},
        "paper": {"dense": {"A": 69.8, "B": 72.6}, "doge": 73.8, "winning": {"A": 70.9}},
    },
    "here",
)

SWEEP = SweepRecords(
    "some sweep",
    METHODS,
    sorted([*SEARCH, *REPLICATES], key=lambda row: METHODS.index(row.method)),
    {
        (method, r): predictions(*answers)
        for method, right in RIGHT.items()
        for r, answers in enumerate(right, 1)
    },
    CONFIG,
)
