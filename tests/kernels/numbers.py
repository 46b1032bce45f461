"""Everything that decides or is printed, as one JSON document: ``python -m tests.kernels.numbers``.

Floats are written as they are, bit by bit. Shapes: R replicates, N examples of a domain.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from doge_ray.reporting.summary import summary_markdown
from doge_ray.reporting.sweep_page import sweep_page
from doge_ray.tickets.counts import Counts, right_or_wrong
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments, domain_general_score, expressive_score
from doge_ray.tickets.overlap import chance_jaccard
from doge_ray.tickets.power import replicates_needed
from doge_ray.tickets.selection import Candidate, choose
from doge_ray.tickets.statistics import mean_interval, paired_bootstrap
from doge_ray.tickets.ticket import Ticket
from tests.kernels.settings import vectors
from tests.reporting.full import FULL
from tests.reporting.sweep import SWEEP
from tests.reporting.test_page import DRAWN, text
from tests.tickets.material import PARAMETERS
from tests.tickets.test_statistics import entities

SPARSITIES = (0.1, 0.3, 0.5)


def numbers() -> dict[str, Any]:
    """By what they are of."""
    return {
        "report": text(sweep_page(FULL, DRAWN)).splitlines(),
        "summary": summary_markdown(SWEEP).splitlines(),
        **{f"study {seed}": study(np.random.default_rng(seed)) for seed in range(4)},
        **{f"network {seed}": network(np.random.default_rng(seed)) for seed in range(4)},
    }


def study(rng: np.random.Generator) -> dict[str, Any]:
    """Two methods on domains of unequal size, by accuracy and by F1: intervals and choices."""
    found: dict[str, Any] = {}
    for name, counts in (("accuracy", answers), ("F1", entities)):
        pairs = {
            str(size): (counts(rng, (9, size)), counts(rng, (9, size))) for size in (40, 25, 137)
        }
        metrics_R = [np.mean([pair[0][r].metric for pair in pairs.values()]) for r in range(9)]
        above_R = np.diff(metrics_R).tolist()
        found[name] = {
            "bootstrap": bits(paired_bootstrap(pairs, resamples=500)),
            "metrics": bits(metrics_R),
            "mean": bits(mean_interval(metrics_R)),
            "seeds": replicates_needed(above_R, 0.005),
            "choice": choose(Candidate(r, metric) for r, metric in enumerate(metrics_R)),
        }
    return found


def answers(rng: np.random.Generator, shape: tuple[int, int]) -> Counts:
    return right_or_wrong(rng.integers(0, 3, shape) > 0)


def network(rng: np.random.Generator) -> dict[str, Any]:
    """Scores of a network that was scored on four domains, and the tickets drawn from them."""
    # From 0 to 2, so that many units are equal but for rounding.
    head_DLH, ffn_DL = rng.integers(0, 3, (4, 12, 12)), rng.integers(0, 3, (4, 12))
    count_D = np.array([3.0, 7.0, 11.0, 13.0])
    sums = (head_DLH, head_DLH**2, ffn_DL, ffn_DL**2)
    moments = Moments(tuple("abcd"), count_D, *(each.astype(float) for each in sums))
    tickets = [
        draw_ticket(kind, moments, sparsity, PARAMETERS, variance_weight=weight, seed=1)
        for kind, weight in (("doge", 0.0), ("doge", 50.0), ("winning", 0.0), ("random", 0.0))
        for sparsity in SPARSITIES
    ]
    scores = expressive_score(moments), domain_general_score(moments, 50.0)
    return {
        "scores": [bits([*each.head_LH.ravel(), *each.ffn_L]) for each in scores],
        "tickets": [ticket.digest for ticket in tickets],
        "chance": bits(chances(tickets)),
    }


def chances(tickets: list[Ticket]) -> list[float]:
    return [chance_jaccard(one, other) for one, other in pairwise(tickets)]


def bits(values: Iterable[float]) -> list[str]:
    return [float(value).hex() for value in values]


def kernel() -> dict[str, Any]:
    """What this process computes with: OpenBLAS's core and threads, numpy's vectors."""
    blas = [each for each in threadpool_info() if each["internal_api"] == "openblas"]
    return {
        "cores": sorted({each["architecture"] for each in blas}),
        "threads": sorted({each["num_threads"] for each in blas}),
        "vectors": vectors(),
    }


def rounding() -> str:
    """What differs from kernel to kernel: a product whose sums are rounded."""
    factor = np.random.default_rng(0).random((300, 300))
    return sha256((factor @ factor.T).tobytes()).hexdigest()[:12]


if __name__ == "__main__":
    print(json.dumps({"kernel": kernel(), "rounding": rounding(), "numbers": numbers()}))
