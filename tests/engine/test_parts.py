"""Two sweeps in one command, of which one cannot go on, and a trial that fails in the other."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from doge_ray.config import load_config, load_parts
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.parts import run_parts
from doge_ray.engine.prepare import Prepared, prepare
from doge_ray.engine.results.folder import claim_folder
from doge_ray.errors import SweepError
from tests.engine.project import block, dense_trial, make_project, run, run_here


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """Dense trials alone: with one learning rate, then with two others."""
    search = {"max_failures": 0, "sampler": "grid", "sparsity": [0.3]}
    settings = {"methods": ["dense"], "train": {"max_epochs": 1}}
    sweep = make_project(tmp_path, search=search, **settings)
    parts = [
        {
            "sweep": str(sweep),
            "set": {"search.learning_rate": rates, "search.num_trials": len(rates)},
            "name": name,
            "column": "all",
        }
        for name, rates in (("fast", [0.02]), ("slow", [0.01, 0.005]))
    ]
    path = tmp_path / "several.yaml"
    path.write_text(yaml.safe_dump({"parts": parts}))
    return path


def test_no_kind_of_failure_keeps_the_others_from_running(
    several: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = load_parts(str(several))
    assert parts is not None
    configs = [part.config for part in parts.parts]
    prepared = [prepare(c, load_corpus(c.data), find_model(c.model)) for c in configs]
    ran = []

    def fail(sweep: Prepared) -> None:
        ran.append(sweep.config.name)
        raise RuntimeError("out of memory")

    with pytest.raises(SweepError, match="several-fast: RuntimeError: out of memory; several-slow"):
        run_parts(parts, prepared, fail)
    assert ran == [config.name for config in configs]
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.ray
def test_what_fails_does_not_keep_the_others_and_one_table_is_of_all(
    several: Path, tmp_path: Path
) -> None:
    parts = load_parts(str(several))
    assert parts is not None
    fast, slow = (part.config for part in parts.parts)
    block(fast, tmp_path, dense_trial(fast))
    broken = dense_trial(slow, trial=1)
    block(slow, tmp_path, broken)
    result = run("sweep", str(several), timeout=900)
    assert result.returncode == 1, result.stderr
    assert "1 of 2 sweeps could not go on: several-fast: no dense trial finished" in result.stderr
    table = (tmp_path / "runs/several/summary.md").read_text()
    assert "| all | dense | 1 of 2 |" in table
    assert "| several-fast | dense | 0 of 1 |" in table
    assert "| several-slow | dense | 1 of 1 |" in table
    assert (tmp_path / "runs/several-slow/summary.md").is_file()

    rows = pq.read_table(tmp_path / "runs/several-slow/trials.parquet").to_pylist()
    [failed] = (row for row in rows if row["status"] == "failed")
    assert (failed["trial"], failed["replicate"]) == (1, 0)
    assert failed["learning_rate"] == broken.learning_rate
    assert "File exists" in failed["error"]
    assert {row["status"] for row in rows if row is not failed} == {"finished"}

    (tmp_path / "runs/several/summary.md").unlink()
    report = run_here("report", "several", f"storage={tmp_path / 'runs'}")
    assert report.returncode == 0, report.stderr
    assert (tmp_path / "runs/several/summary.md").read_text() == table
    assert "1 of 2" in report.stdout


def test_all_parts_are_checked_before_the_first_runs(several: Path, tmp_path: Path) -> None:
    result = run_here("sweep", str(several), "slow:data.target_domains=[gray]")
    assert result.returncode == 2
    assert "gray" in result.stderr
    assert not list((tmp_path / "runs").glob("several*"))


def test_the_folder_of_a_single_sweep_is_not_taken(several: Path, tmp_path: Path) -> None:
    config = load_config(str(tmp_path / "sweep.yaml"), ["name=several"])
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    claim_folder(prepared.results, prepared.graph, prepared.data.audit)
    result = run_here("sweep", str(several))
    assert result.returncode == 2
    assert "runs/several holds a single sweep; give this one its own" in result.stderr
