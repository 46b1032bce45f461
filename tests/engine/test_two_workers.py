"""One Ray Train worker and two, and a trial that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from doge_ray.engine.pipeline import Assignment
from tests.engine.project import block, dense_choice, make_project, run, table

pytestmark = pytest.mark.ray


def test_two_ray_train_workers_give_the_same_result_and_a_failed_trial_ends_nothing(
    tmp_path: Path,
) -> None:
    """Two dense trials on one worker, where the storage refuses the second; the first on two."""
    search = {"sampler": "grid", "sparsity": [0.3], "num_trials": 2, "max_failures": 0}
    settings = {"methods": ["dense"], "train": {"max_epochs": 1, "dropout": 0.0}, "search": search}
    alone = make_project(tmp_path / "alone", **settings)
    broken = Assignment("dense", 1, 0, *dense_choice(alone, trial=1))
    block(alone, tmp_path / "alone", broken)
    workers = {"trial_workers": 2, "stage_workers": 2}
    shared = make_project(tmp_path / "shared", **settings, resources=workers)
    for path, number in ((alone, 2), (shared, 1)):
        result = run("sweep", str(path), f"search.num_trials={number}")
        assert result.returncode == 0, result.stderr

    failed = [row for row in table(tmp_path / "alone") if row["status"] == "failed"]
    assert [(row["trial"], row["learning_rate"]) for row in failed] == [(1, broken.learning_rate)]
    assert "File exists" in failed[0]["error"]
    finished = [row for row in table(tmp_path / "alone") if row["status"] == "finished"]
    for row, other in zip(finished, table(tmp_path / "shared"), strict=True):
        for metric in ("dev_metric", "target_metric"):
            assert other[metric] == pytest.approx(row[metric], abs=1e-6)
