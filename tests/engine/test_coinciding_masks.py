"""A grid whose masks coincide, and a seed whose fine-tuning fails; what is trained is exact."""

from __future__ import annotations

from pathlib import Path

import pytest

from doge_ray.config import load_config
from tests.engine.alone import check_same_scores, check_same_weights, computed_alone
from tests.engine.project import block, dense_trial, make_project, run, table

pytestmark = pytest.mark.ray


def test_coinciding_masks_are_one_training_and_a_lost_replicate_ends_nothing(
    tmp_path: Path,
) -> None:
    """The storage refuses the fine-tuning of the second fresh seed, so it has no tickets."""
    search = {
        "sampler": "grid",
        "num_trials": 24,
        "learning_rate": [0.01],
        "sparsity": [0.2, 0.25, 0.3, 0.35, 0.5, 0.6],
        "variance_weight": [0, 10, 50, 100],
    }
    settings = {"methods": ["dense", "doge"], "replicates": 2, "train": {"max_epochs": 1}}
    path = make_project(tmp_path, search=search, **settings)
    config = load_config(str(path))
    block(config, tmp_path, dense_trial(config, replicate=2))
    result = run("sweep", str(path))
    assert result.returncode == 0, result.stderr
    alone, store = computed_alone(make_project(tmp_path / "alone", search=search, **settings))
    check_same_weights(store.files(alone[0].training), tmp_path / "runs/tiny/models/dense")
    check_same_scores(tmp_path / "alone/runs", tmp_path / "runs")
    doge = [row for row in table(tmp_path) if row["method"] == "doge" and row["replicate"] == 0]
    assert len({(row["sparsity"], row["variance_weight"]) for row in doge}) == 24
    distinct = {row["ticket"] for row in doge}
    assert sum(row["trained"] for row in doge) == len(distinct) < 24
    assert f"| doge | 24 ({len(distinct)}) |" in (tmp_path / "runs/tiny/summary.md").read_text()
    repeats = {(r["method"], r["replicate"]): r for r in table(tmp_path) if r["replicate"]}
    assert {key: row["status"] for key, row in repeats.items()} == {
        ("dense", 1): "finished",
        ("dense", 2): "failed",
        ("doge", 1): "finished",
        ("doge", 2): "failed",
    }
    assert "File exists" in repeats["dense", 2]["error"]
    assert repeats["doge", 2]["error"] == "the fine-tuned model of this seed failed"
