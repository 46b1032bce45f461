"""A training that was cut off anywhere and started again ends like an undisturbed one."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from doge_ray.domains.rows import EncodedSplit
from doge_ray.objectives import make_objective
from doge_ray.stages import watch
from doge_ray.stages.recipe import EpochRecord, Recipe
from doge_ray.stages.snapshots import read_state, write_state
from doge_ray.stages.train import train
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from tests.encoders.networks import tiny
from tests.stages.corpora import misleading_corpus
from tests.stages.trainings import Folder, Forgetful, State, recipe, state_of

ALONE = World(0, 1, torch.device("cpu"))
DATA = misleading_corpus()
BATCHES = 6  # of an epoch
LONG = recipe(max_epochs=5, patience=5, learning_rate=1e-3)
ROBUST = replace(LONG, objective=make_objective("group_dro", {"strength": 0.5}))
HALF = replace(LONG, precision="fp16")
IMPATIENT = recipe(max_epochs=20, patience=2, learning_rate=1e-3)


@pytest.fixture(autouse=True)
def _after_every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots are taken however short an epoch is."""
    monkeypatch.setattr(watch, "SHARE", math.inf)


@pytest.fixture(autouse=True)
def _scaled_by_more_and_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss of fp16 is scaled by twice as much every other step, until one overflows."""

    def scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
        return torch.amp.GradScaler(
            device.type, init_scale=2.0**20, growth_interval=2, enabled=precision == "fp16"
        )

    monkeypatch.setattr("doge_ray.stages.training.loss_scaler", scaler)


class Cut(EncodedSplit):
    """Ends the process, as far as a test can, when batch number ``left`` is asked for."""

    def batch(self, rows: np.ndarray, **how: Any) -> dict[str, torch.Tensor]:
        if self.left[0] == 0:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        self.left[0] -= 1  # type: ignore[attr-defined]
        return super().batch(rows, **how)


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
    "settings",
    [LONG, IMPATIENT, ROBUST, HALF],
    ids=["to the end", "out of patience", "group DRO", "fp16"],
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


@pytest.mark.parametrize("settings", [LONG, ROBUST], ids=["mean loss", "group DRO"])
@pytest.mark.parametrize("steps", [2, BATCHES, BATCHES + 1])
def test_a_notice_loses_not_even_the_running_epoch(
    steps: int, settings: Recipe, tmp_path: Path
) -> None:
    """Notice comes after some steps, the end two steps later; nothing before it is repeated."""
    whole = tiny("bert")
    expected = train(whole, DATA, settings, ALONE, Forgetful())
    folder, data = Folder(tmp_path / "snapshot"), cut_after(steps + 2)
    noticed = replace(ALONE, has_notice=lambda: data.train.left[0] <= 2)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        train(tiny("bert"), data, settings, noticed, folder)

    torch.manual_seed(steps)
    model, rest = tiny("bert"), cut_after(1000)
    history = train(model, rest, settings, ALONE, folder)
    assert told(history) == told(expected)
    assert_same(state_of(model), state_of(whole))
    used = 1000 - rest.train.left[0]  # type: ignore[attr-defined]
    assert used == len(expected) * BATCHES - steps


def test_a_snapshot_of_one_process_serves_another_number(tmp_path: Path) -> None:
    """The random states of other processes are not there: dropout draws afresh, not the same."""
    folder, data = Folder(tmp_path / "snapshot"), cut_after(3)
    noticed = replace(ALONE, has_notice=lambda: data.train.left[0] <= 1)  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        train(tiny("bert"), data, LONG, noticed, folder)
    training = Training(tiny("bert"), DATA, LONG, ALONE)
    training.world = replace(ALONE, size=2, rank=1)
    training.restore(read_state(folder.latest(), ALONE))
    assert training.progress.steps == 2
    assert training.progress.loss == 0.0  # rank 0 has it


@pytest.mark.parametrize("damage", [b"", b"\0" * 5000, b"PK\3\4 no archive"])
def test_a_damaged_snapshot_costs_its_epochs_and_no_more(damage: bytes, tmp_path: Path) -> None:
    whole = tiny("bert")
    expected = train(whole, DATA, LONG, ALONE, Forgetful())
    folder = Folder(tmp_path / "snapshot")
    with pytest.raises(KeyboardInterrupt):
        train(tiny("bert"), cut_after(2 * BATCHES), LONG, ALONE, folder)
    latest = folder.latest()
    assert latest is not None
    (latest / "state.pt").write_bytes(damage)
    model = tiny("bert")
    assert told(train(model, DATA, LONG, ALONE, folder)) == told(expected)
    assert_same(state_of(model), state_of(whole))


def test_the_best_epoch_may_lie_before_the_cut(tmp_path: Path) -> None:
    metrics = [r["dev_metric"] for r in train(tiny("bert"), DATA, LONG, ALONE, Forgetful())]
    assert metrics.index(max(metrics)) < 2  # or the cases above would not show it


def test_an_error_of_the_device_is_none_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*args: Any) -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(torch, "save", lost)
    with pytest.raises(torch.AcceleratorError):
        write_state({}, tmp_path)
