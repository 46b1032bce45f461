"""A training that was cut off anywhere and started again ends like an undisturbed one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from doge_ray.domains.encoded import EncodedSplit
from doge_ray.stages.objectives import Objective
from doge_ray.stages.train import EpochRecord, Recipe, train
from doge_ray.stages.world import World
from tests.encoders.networks import tiny
from tests.stages.corpora import misleading_corpus
from tests.stages.trainings import Folder, Forgetful, State, recipe, state_of

ALONE = World(0, 1, torch.device("cpu"))
DATA = misleading_corpus()
BATCHES = 6  # of an epoch
LONG = recipe(max_epochs=5, patience=5, learning_rate=1e-3)
ROBUST = replace(LONG, objective=Objective("group_dro", 0.5))
IMPATIENT = recipe(max_epochs=20, patience=2, learning_rate=1e-3)


class Cut(EncodedSplit):
    """Ends the process, as far as a test can, when batch number ``left`` is asked for."""

    def batch(self, rows: np.ndarray, pad_to: int | None = None) -> dict[str, torch.Tensor]:
        if self.left[0] == 0:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        self.left[0] -= 1  # type: ignore[attr-defined]
        return super().batch(rows, pad_to)


def cut_after(batches: int) -> Any:
    split = Cut(**vars(DATA.train))
    object.__setattr__(split, "left", [batches])
    return replace(DATA, train=split)


def told(history: list[EpochRecord]) -> list[EpochRecord]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def assert_same(actual: State, expected: State) -> None:
    assert actual.keys() == expected.keys()
    for name in expected:
        assert torch.equal(actual[name], expected[name]), name


@pytest.mark.parametrize(
    "settings", [LONG, IMPATIENT, ROBUST], ids=["to the end", "out of patience", "group DRO"]
)
@pytest.mark.parametrize(
    ("batches", "epochs_kept"),
    [(0, 0), (BATCHES - 1, 0), (BATCHES, 1), (BATCHES + 2, 1), (2 * BATCHES + 3, 2)],
)
def test_bit_identical(batches: int, epochs_kept: int, settings: Recipe, tmp_path: Path) -> None:
    whole = tiny("bert")  # with dropout
    expected = train(whole, DATA, settings, ALONE, Forgetful())
    folder = Folder(tmp_path / "snapshot")
    with pytest.raises(KeyboardInterrupt):
        train(tiny("bert"), cut_after(batches), settings, ALONE, folder)

    torch.manual_seed(batches)  # a new process has another random state
    reported: list[int] = []
    model = tiny("bert")
    history = train(model, DATA, settings, ALONE, folder, lambda told: reported.append(len(told)))
    assert told(history) == told(expected)
    assert reported == list(range(epochs_kept + 1, len(history) + 1))
    assert_same(state_of(model), state_of(whole))


def test_the_best_epoch_may_lie_before_the_cut(tmp_path: Path) -> None:
    metrics = [r["dev_metric"] for r in train(tiny("bert"), DATA, LONG, ALONE, Forgetful())]
    assert metrics.index(max(metrics)) < 2  # or the cases above would not show it
