"""MLflow runs are found again by what they are, not by what they are called."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from doge_ray.config import AmazonData, SweepConfig
from doge_ray.engine.tracking.runs import find_runs
from doge_ray.engine.tracking.tracker import Tracker


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepConfig:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return SweepConfig(name="some", model="a", storage=str(tmp_path), data=AmazonData(set="amazon"))


def runs(tracker: Tracker) -> list[Run]:
    return list(MlflowClient(tracker.uri).search_runs([tracker.experiment]))


def tracked(config: SweepConfig, training: str, metric: float, **science: Any) -> Tracker:
    """One trial, from its start to its end."""
    tracker = Tracker(config, {"seed": 0} | science, config.storage)
    tracker.start("doge-0000-0", training, {"sparsity": 0.5}, {})
    tracker.epoch("doge-0000-0", 1, {"dev": metric})
    tracker.end("doge-0000-0", metrics={"target": metric}, texts={"ticket.json": "{}"})
    tracker.close("FINISHED")
    return tracker


def test_the_same_trial_is_one_run_and_keeps_its_first_metrics(config: SweepConfig) -> None:
    tracked(config, "t1", 0.5)
    found = runs(tracked(config, "t1", 0.6))
    assert Counter(run.info.run_name for run in found) == {"some": 1, "doge-0000-0": 1}
    trial = next(run for run in found if run.info.run_name == "doge-0000-0")
    assert trial.data.metrics == {"dev": 0.5, "target": 0.5}
    assert trial.data.params["training"] == "t1"


def test_another_training_of_a_trial_is_another_run_and_the_old_one_says_so(
    config: SweepConfig,
) -> None:
    tracked(config, "t1", 0.5)
    found = {run.data.params.get("training"): run for run in runs(tracked(config, "t2", 0.6))}
    assert found["t2"].data.metrics["target"] == 0.6
    assert "superseded" in found["t1"].data.tags
    assert "superseded" not in found["t2"].data.tags


def test_a_failed_run_goes_on_though_an_answer_was_lost(config: SweepConfig) -> None:
    tracker, name = Tracker(config, {"seed": 0}, config.storage), "doge-0000-0"
    tracker.start(name, "t1", {}, {})
    tracker.end(name, tags={"error": "the first"}, status="FAILED")
    MlflowClient(tracker.uri).delete_tag(tracker.runs[tracker.keys[name]], "error")
    tracker.start(name, "t1", {}, {})  # as again, after a deletion that was not heard of
    [run] = (run for run in runs(tracker) if run.info.run_name == name)
    assert run.info.status == "RUNNING"
    tracker.end(name, tags={"error": "the second"}, status="FAILED")
    [run] = (run for run in runs(tracker) if run.info.run_name == name)
    assert run.data.tags["error"] == "the second"


def test_a_sweep_of_the_same_name_with_other_settings_is_another_run(config: SweepConfig) -> None:
    tracked(config, "t1", 0.5)
    found = runs(tracked(config, "t1", 0.6, seed=1))
    assert Counter(run.info.run_name for run in found) == {"some": 2, "doge-0000-0": 2}


def test_a_report_finds_the_runs_and_only_looks(
    config: SweepConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_runs(config.name, config.storage) == {}
    assert list(Path(config.storage).iterdir()) == []
    tracker = tracked(config, "t1", 0.5)
    (found,) = find_runs(config.name, config.storage).values()
    assert found.run_id == tracker.runs["doge-0000-0@t1"]
    assert found.url.endswith(f"/#/experiments/{tracker.experiment}/runs/{found.run_id}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracker.uri)
    assert len(find_runs(config.name, config.storage)) == 1
    assert find_runs(config.name, "elsewhere") == {}


def test_runs_are_found_also_after_settings_got_new_defaults(config: SweepConfig) -> None:
    first = tracked(config, "t1", 0.5)
    again = tracked(config, "t2", 0.5, new_setting=1)
    found = {key: run.run_id for key, run in find_runs(config.name, config.storage).items()}
    runs = first.runs["doge-0000-0@t1"], again.runs["doge-0000-0@t2"]
    assert found == dict(zip(("doge-0000-0@t1", "doge-0000-0@t2"), runs, strict=True))


def test_a_server_that_does_not_answer_is_not_waited_for(
    config: SweepConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    started = time.monotonic()
    assert find_runs(config.name, config.storage) == {}
    assert time.monotonic() - started < 20
