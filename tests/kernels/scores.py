"""Scores and tickets of a tiny network as JSON: ``python -m tests.kernels.scores``."""

from __future__ import annotations

import json
from typing import Any

import torch

from doge_ray.tickets.draw import draw_ticket
from tests.encoders.networks import tiny
from tests.kernels.numbers import SPARSITIES
from tests.stages.test_score import ALONE, SUMS, scored, split
from tests.tickets.material import PARAMETERS


def scores() -> dict[str, Any]:
    """With torch's kernels at hand: sums of sensitivities, and what is drawn from them."""
    moments = scored(ALONE, tiny("bert"), split())
    tickets = [
        draw_ticket(kind, moments, sparsity, PARAMETERS, variance_weight=10.0)
        for kind in ("doge", "winning")
        for sparsity in SPARSITIES
    ]
    return {
        "capability": torch.backends.cpu.get_cpu_capability(),
        "sums": [value for name in SUMS for value in getattr(moments, name).ravel().tolist()],
        "tickets": [ticket.digest for ticket in tickets],
    }


if __name__ == "__main__":
    print(json.dumps(scores()))
