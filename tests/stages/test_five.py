"""Five processes: shares of unequal size, none at all, and domains that a batch lacks."""

from __future__ import annotations

import numpy as np
import pytest

from doge_ray.objectives import OBJECTIVES, make_objective
from doge_ray.stages.recipe import Recipe
from tests.stages.processes import Together
from tests.stages.test_together import ALONE, assert_same, trained
from tests.stages.trainings import recipe


def settings(name: str | None, **others: int | None) -> Recipe:
    objective = None if name is None else make_objective(name, {"strength": 0.5, "anneal": 0.5})
    return recipe(objective=objective, max_epochs=2, **others)


NAMES = [None, *OBJECTIVES]
CASES = {
    "fewer rows than processes": (3, {"batch_size": 3}),
    "a last batch of two": (42, {"batch_size": 20, "micro_batch_size": 3}),
    "one process has a part more": (39, {"batch_size": 16, "micro_batch_size": 2}),
    "domains that a batch lacks": (6, {"batch_size": 1}),
    "without padding": (39, {"batch_size": 16, "padding_free": True}),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_as_one(name: str | None, case: str, five: Together) -> None:
    num_rows, sizes = CASES[case]
    expected = trained(
        ALONE, "bert", num_rows, settings(name, **sizes | {"micro_batch_size": None})
    )
    for actual in five.run(trained, "bert", num_rows, settings(name, **sizes)):
        assert_same(actual, expected)
    assert all(np.isfinite(weight).all() for weight in expected[1].values())


@pytest.mark.parametrize("variant", ["deberta-v2", "deberta-v3", "mpnet"])
def test_nobody_waits_for_what_only_heads_read(variant: str, five: Together) -> None:
    masks = np.zeros((3, 4), bool), np.array([True, False, True])
    expected = trained(ALONE, variant, 21, recipe(), masks)
    for actual in five.run(trained, variant, 21, recipe(), masks):
        assert_same(actual, expected)
