"""The sweep by hand with everything a report can show: tickets, scores, histories, data, cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from doge_ray.domains.audit import Audit, SplitAudit
from doge_ray.reporting.records import StageCost, SweepRecords, TrackedRun
from doge_ray.reporting.trial_rows import TrialRow
from doge_ray.tickets.activations import ActiveCounts
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import Ticket, UnitParameters, dense_ticket
from tests.reporting.sweep import CONFIG, RIGHT, SWEEP

PARAMETERS = UnitParameters(head=4, ffn=10, encoder=6 * 26)
DOMAINS = ("shops <&>", "films", "cars $5")  # names that HTML and mathtext would stumble over


def moments(seed: int) -> Moments:
    """Six layers of four heads, scored on three domains of ten examples."""
    rng = np.random.default_rng(seed)
    head_DLH, ffn_DL = rng.gamma(2, 1, (3, 6, 4)), rng.gamma(3, 1, (3, 6))
    counts = np.full(3, 10.0)
    return Moments(DOMAINS, counts, 10 * head_DLH, 10 * head_DLH**2, 10 * ffn_DL, 10 * ffn_DL**2)


def ticket(row: TrialRow) -> Ticket:
    if row.method == "dense":
        return dense_ticket(6, 4, PARAMETERS)
    return draw_ticket(
        row.method,
        moments(row.replicate),
        row.sparsity,
        PARAMETERS,
        variance_weight=row.variance_weight or 0.0,
        seed=row.seed,
    )


def behind(row: TrialRow) -> TrialRow:
    """Two epochs, of which the second is better; target metrics by domain as predicted."""
    if row.ticket is None or row.dev_metric is None:
        return row
    history = [{"epoch": n, "dev_metric": row.dev_metric - 0.02 * (2 - n)} for n in (1, 2)]
    target, rest = {}, {}
    if row.replicate and row.target_metric is not None:
        letters, jokes = RIGHT[row.method][row.replicate - 1]
        target = {"letters": letters / 50, "jokes": jokes / 25}
        rest = {"letters": (letters - 10) / 40, "jokes": jokes / 25}
    return replace(
        row,
        stage=f"training-{row.name}",
        drawn=ticket(row),
        history=history,
        target=target,
        target_deduplicated=rest,
    )


# λ of the search's doge trials; sparsities that differ, so that there is something to draw.
WEIGHTS, SPARSITIES = (50.0, 50.0, 0.0), (0.3, 0.3, 0.55)


def spread(row: TrialRow) -> TrialRow:
    if row.method != "doge":
        return row
    row = replace(row, variance_weight=WEIGHTS[row.trial], sparsity=SPARSITIES[row.trial])
    return replace(row, parameter_fraction=ticket(row).parameter_fraction)


ROWS = [behind(spread(row)) for row in SWEEP.rows]

AUDIT = Audit(
    ("bad", "good"),
    64,
    (
        SplitAudit("train", DOMAINS[0], (30, 10), 4, 0),
        SplitAudit("train", DOMAINS[1], (20, 20), 0, 0),
        SplitAudit("train", DOMAINS[2], (20, 20), 0, 0),
        SplitAudit("dev", DOMAINS[0], (5, 5), 1, 2),
        SplitAudit("test", "letters", (20, 30), 0, 10),
        SplitAudit("test", "jokes", (10, 15), 2, 0),
    ),
)

FULL = SweepRecords(
    SWEEP.name,
    SWEEP.methods,
    ROWS,
    SWEEP.predictions,
    CONFIG,
    moments={replicate: moments(replicate) for replicate in range(4)},
    active=ActiveCounts(
        DOMAINS,
        np.full(3, 40.0),
        np.random.default_rng(0).integers(0, 41, (3, 6, 50)).astype(float),
    ),
    shared_stages={
        "initial": StageCost(4, None),
        "scoring": StageCost(4, 61.4),
        "activations": StageCost(0, None),
    },
    runs={
        ("dense", 0, 0): TrackedRun(
            "0123456789abcdef", "http://127.0.0.1:5000/#/experiments/1/runs/0"
        )
    },
    audit=AUDIT,
)
