"""What a training minimises instead of the mean loss; one file for each objective.

Reading order: ``objective`` (what all have), then any of the others. An objective is one entry of
``OBJECTIVES``. Nothing here loads torch, so that settings and help can read it;
``stages.minimiser`` does what needs it.
"""

from __future__ import annotations

from collections.abc import Mapping

from doge_ray.objectives.coral import Coral
from doge_ray.objectives.group_dro import GroupDro
from doge_ray.objectives.irm import Irm
from doge_ray.objectives.objective import Objective
from doge_ray.objectives.vrex import VRex

__all__ = ["OBJECTIVES", "Objective", "make_objective"]

OBJECTIVES: dict[str, type[Objective]] = {each.name: each for each in (Irm, GroupDro, VRex, Coral)}


def make_objective(name: str, drawn: Mapping[str, float | None]) -> Objective:
    """An objective with a trial's hyper-parameters; 0 where the trial has none of that name."""
    kind = OBJECTIVES[name]
    return kind(**{each.name: drawn.get(each.name) or 0.0 for each in kind.hyperparameters})
