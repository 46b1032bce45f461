"""A search by leave-one-domain-out folds; the process that scores is killed once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.engine.project import make_project, published, run, table

pytestmark = pytest.mark.ray


@contextmanager
def killed_once(title: str) -> Iterator[None]:
    """Kill the first process with a title that comes up below this one meanwhile."""
    killed, over = threading.Event(), threading.Event()

    def look() -> None:
        while not (killed.is_set() or over.wait(0.05)):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    if " ".join(process.cmdline()).startswith(title):
                        process.kill()
                        killed.set()
                        break

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
    assert killed.is_set()


def test_a_search_by_folds_chooses_by_the_domains_left_out(tmp_path: Path) -> None:
    search = {"sampler": "grid", "sparsity": [0.3], "variance_weight": [0, 10]}
    settings = {"methods": ["dense", "doge+irm"], "selection": "leave_one_domain_out"}
    search |= {"irm_strength": [1.0], "irm_anneal": [0.0]}
    path = make_project(tmp_path, search=search, train={"max_epochs": 1}, **settings)
    with killed_once("ray::_work_alone"):
        result = run("sweep", str(path))
    assert result.returncode == 0, result.stderr
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
