"""A search by leave-one-domain-out folds; the process that scores first is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.project import every_python_runs, make_project, published, run, table

pytestmark = pytest.mark.ray

KILLED = '''
"""Loaded by every Python: the first process that scores is killed."""
import os, signal

import wrapt


@wrapt.when_imported("doge_ray.engine.work.jobs")
def loaded(module):
    look = module.ScoringJob.look

    def look_or_die(*args, **kwargs):
        try:
            open(os.environ["FIRST_TO_SCORE"], "x").close()
        except FileExistsError:
            return look(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    module.ScoringJob.look = look_or_die
'''


def test_a_search_by_folds_chooses_by_the_domains_left_out(tmp_path: Path) -> None:
    search = {"sampler": "grid", "sparsity": [0.3], "variance_weight": [0, 10]}
    settings = {"methods": ["dense", "doge+irm"], "selection": "leave_one_domain_out"}
    search |= {"irm_strength": [1.0], "irm_anneal": [0.0]}
    path = make_project(tmp_path, search=search, train={"max_epochs": 1}, **settings)
    variables = every_python_runs(KILLED, tmp_path) | {"FIRST_TO_SCORE": str(tmp_path / "first")}
    result = run("sweep", str(path), variables=variables)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "first").exists()
    assert "scoring-replicate-0  goes on after" in result.stdout
    rows = table(tmp_path)
    assert {row["status"] for row in rows} == {"finished"}
    for method in settings["methods"]:
        trials = [r for r in rows if r["method"] == method and r["replicate"] == 0]
        best = max(trials, key=lambda row: row["selection_metric"])
        assert [r["selected"] for r in trials] == [r is best for r in trials]
    stages = [path.split("/")[0] for path in published(tmp_path)]
    assert stages.count("encoding") == 4  # the corpus, and without each of three domains
    assert stages.count("scoring") == 2 + 3  # search and replicate, and the search's folds
    kept = list((tmp_path / "runs/store/training").glob("*/files-*"))
    assert len(kept) == 2  # of the chosen trials; none of a fold
