"""Sweeps that need a run of their own: a grid with coinciding masks and a trial that fails."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.pipeline import Assignment, Pipeline
from doge_ray.engine.prepare import prepare
from doge_ray.engine.space import grid
from doge_ray.seeds import derive_seed
from tests.engine.project import make_project, published, run

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
    _block(path, tmp_path, Assignment("dense", 0, 2, *_choice(path, replicate=2)))
    result = run("sweep", str(path))
    assert result.returncode == 0, result.stderr
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


def test_two_ray_train_workers_give_the_same_result_and_a_failed_trial_ends_nothing(
    tmp_path: Path,
) -> None:
    """Two dense trials on one worker, where the storage refuses the second; the first on two."""
    search = {"sampler": "grid", "sparsity": [0.3], "num_trials": 2, "max_failures": 0}
    settings = {"methods": ["dense"], "train": {"max_epochs": 1, "dropout": 0.0}, "search": search}
    alone = make_project(tmp_path / "alone", **settings)
    broken = Assignment("dense", 1, 0, *_choice(alone, trial=1))
    _block(alone, tmp_path / "alone", broken)
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


def test_a_search_by_folds_chooses_by_the_domains_left_out(tmp_path: Path) -> None:
    search = {"sampler": "grid", "sparsity": [0.3], "variance_weight": [0, 10]}
    settings = {"methods": ["dense", "doge+irm"], "selection": "leave_one_domain_out"}
    search |= {"irm_strength": [1.0], "irm_anneal": [0.0]}
    path = make_project(tmp_path, search=search, train={"max_epochs": 1}, **settings)
    result = run("sweep", str(path))
    assert result.returncode == 0, result.stderr
    rows = table(tmp_path)
    assert {row["status"] for row in rows} == {"finished"}
    for method in settings["methods"]:
        trials = [r for r in rows if r["method"] == method and r["replicate"] == 0]
        best = max(trials, key=lambda row: row["selection_metric"])
        assert [r["selected_source_dev"] for r in trials] == [r is best for r in trials]
    stages = [path.split("/")[0] for path in published(tmp_path)]
    assert stages.count("encoding") == 4  # the corpus, and without each of three domains
    assert stages.count("scoring") == 2 + 3  # search and replicate, and the search's folds
    kept = list((tmp_path / "runs/store/training").glob("*/files-*"))
    assert len(kept) == 2  # of the chosen trials; none of a fold


def table(folder: Path) -> list[dict[str, object]]:
    return pq.read_table(folder / "runs/tiny/trials.parquet").to_pylist()


def _choice(path: Path, trial: int = 0, replicate: int = 0) -> tuple[int, float, int]:
    """Seed, learning rate and batch size of a dense trial of a grid."""
    config = load_config(str(path))
    point = grid("dense", config.search, config.seed)[trial]
    names = ("replicate", replicate) if replicate else ("search",)
    return derive_seed(config.seed, *names), point["learning_rate"], point["batch_size"]


def _block(path: Path, folder: Path, assignment: Assignment) -> None:
    """Let the folder of a trial's stage be a link that leads nowhere: nothing can be written."""
    config = load_config(str(path))
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    stage = Pipeline(prepared.graph, prepared.store).training(assignment).stage
    blocked = folder / "runs/store" / stage.path
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.symlink_to(folder / "nowhere")
