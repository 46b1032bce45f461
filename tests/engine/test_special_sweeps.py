"""Sweeps that need a run of their own: a grid with coinciding masks and a trial that fails."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from doge_ray.config import load_config
from doge_ray.engine.pipeline import Assignment, Pipeline
from doge_ray.engine.prepare import prepare
from doge_ray.engine.space import grid
from doge_ray.seeds import derive_seed
from tests.engine.project import make_project, run

pytestmark = pytest.mark.ray


def test_coinciding_masks_are_one_training_and_a_failed_trial_ends_nothing(tmp_path: Path) -> None:
    """4 λ x 6 sparsities; the storage refuses the writes of one dense trial of two."""
    search = {
        "sampler": "grid",
        "num_trials": 24,
        "max_failures": 0,
        "learning_rate": [0.01, 0.005],
        "sparsity": [0.2, 0.25, 0.3, 0.35, 0.5, 0.6],
        "variance_weight": [0, 10, 50, 100],
    }
    path = make_project(tmp_path, methods=["dense", "doge"], search=search, train={"max_epochs": 1})
    broken = _block_first_dense_trial(path, tmp_path)
    result = run("sweep", str(path))
    assert result.returncode == 0, result.stderr
    rows = pq.read_table(tmp_path / "runs/tiny/trials.parquet").to_pylist()

    failed = [row for row in rows if row["status"] == "failed"]
    assert {row["learning_rate"] for row in failed} == {broken.learning_rate}
    assert all("exists" in row["error"] for row in failed)
    assert [row for row in rows if row["method"] == "dense" and row["selected_source_dev"]]

    doge = [row for row in rows if row["method"] == "doge" and row["replicate"] == 0]
    assert len(doge) == 24
    distinct = {(row["ticket"], row["learning_rate"]) for row in doge}
    assert sum(row["trained"] for row in doge) == len(distinct) < 24
    assert f"| doge | 24 ({len(distinct)}) |" in (tmp_path / "runs/tiny/summary.md").read_text()


def _block_first_dense_trial(path: Path, folder: Path) -> Assignment:
    """Put a file where the first dense trial's stage would have its folder."""
    config = load_config(str(path))
    prepared = prepare(config)
    point = grid("dense", config.search, config.seed)[0]
    assignment = Assignment("dense", 0, 0, derive_seed(config.seed, "search"), **point)
    stage = Pipeline(prepared.graph, prepared.store).training(assignment).stage
    blocked = folder / "runs/store" / stage.path
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("in the way")
    return assignment
