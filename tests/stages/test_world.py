"""One process among others."""

from __future__ import annotations

from typing import Any

import torch

from doge_ray.stages.world import World
from tests.stages.processes import Together

CPU = torch.device("cpu")


def exchanged(world: World) -> dict[str, Any]:
    return {
        "rank": world.rank,
        "size": world.size,
        "sum": world.sum(torch.tensor([1.0, 10.0]) * (world.rank + 1)).tolist(),
        "gather": world.gather(f"from {world.rank}"),
        "broadcast": world.broadcast({"of": world.rank}),
    }


def test_alone() -> None:
    assert exchanged(World.current(CPU)) == {
        "rank": 0,
        "size": 1,
        "sum": [1.0, 10.0],
        "gather": ["from 0"],
        "broadcast": {"of": 0},
    }


def test_together(pair: Together) -> None:
    answers = pair.run(exchanged)
    assert [answer.pop("rank") for answer in answers] == [0, 1]
    assert answers[0] == answers[1]
    assert answers[0] == {
        "size": 2,
        "sum": [3.0, 30.0],
        "gather": ["from 0", "from 1"],
        "broadcast": {"of": 0},
    }
