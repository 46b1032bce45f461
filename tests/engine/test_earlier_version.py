"""A sweep that version 0.1.0 began goes on with this one: nothing published is computed again.

``stored/begun-by-0.1.0.tar.xz`` holds a tiny project of made-up words and a random network, and the
storage of its sweep, killed while tickets were searched, as the last commit before the engine had
rooms left it (without MLflow's database).
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.engine.project import run, table

pytestmark = pytest.mark.ray

STORED = Path(__file__).with_name("stored") / "begun-by-0.1.0.tar.xz"


def stages(folder: Path) -> dict[str, dict[str, Any]]:
    """Every published stage's record, by path."""
    store = folder / "runs" / "store"
    return {
        str(file.parent.relative_to(store)): json.loads(file.read_text())
        for file in store.glob("*/*/published.json")
    }


def trainings(folder: Path) -> dict[str, str]:
    """Which training each settled trial led to."""
    entries = (json.loads(f.read_text()) for f in (folder / "runs/tiny/trials").glob("*.json"))
    return {
        f"{entry['assignment']['method']} {entry['assignment']['trial']}": entry["training"]
        for entry in entries
        if entry["status"] == "finished" and entry["assignment"]["replicate"] == 0
    }


def test_nothing_that_was_published_is_computed_again(tmp_path: Path) -> None:
    with tarfile.open(STORED) as archive:
        archive.extractall(tmp_path, filter="data")
    before, done = stages(tmp_path), trainings(tmp_path)
    assert {path.partition("/")[0] for path in before} == {
        *("encoding", "initial", "training", "evaluation", "scoring", "activations")
    }
    assert {name.partition(" ")[0] for name in done} == {
        *("dense", "irm", "random", "winning", "doge")
    }
    places = [f"{key}={tmp_path / path}" for key, path in PLACES.items()]
    result = run("sweep", str(tmp_path / "sweep.yaml"), *places, *FEWER_PROCESSES)
    assert result.returncode == 0, result.stderr
    after = stages(tmp_path)
    for path, record in before.items():
        assert after[path]["inputs"] == record["inputs"]
        assert after[path]["result"] == record["result"], f"{path} was computed again"
        # The folder's name is drawn when a stage is published; losers' files are dropped.
        assert after[path]["files"] in (record["files"], None), f"{path} was computed again"
    assert trainings(tmp_path) == done | trainings(tmp_path)
    rows = {(r["method"], r["trial"], r["replicate"]): r["status"] for r in table(tmp_path)}
    assert len(rows) == 5 * (2 + 1)
    assert set(rows.values()) == {"finished"}


PLACES = {"model": "model", "data.path": "data.jsonl", "storage": "runs"}
FEWER_PROCESSES = ("search.max_concurrent=1", "resources.stage_workers=1")
