"""MLflow runs are found again by what they are, not by what they are called."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from doge_ray.config import AmazonData, SweepConfig
from doge_ray.engine.tracking.keys import metric_key
from doge_ray.engine.tracking.outbox import Outbox
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


ODD_PLACES = ["50%20 off", "why?", "a #2", "[x]", "é", "100%", "a%41?b=c&d", "x;y:z"]


@pytest.mark.parametrize("place", ODD_PLACES)
def test_everything_lies_in_the_storage_whatever_its_path(
    place: str, config: SweepConfig, tmp_path: Path
) -> None:
    storage = tmp_path / place / "runs"
    storage.mkdir(parents=True)
    tracked(config.model_copy(update={"storage": str(storage)}), "t1", 0.5)
    assert [each.name for each in tmp_path.iterdir()] == [place]
    assert [each.name for each in (tmp_path / place).iterdir()] == ["runs"]
    assert {"mlflow.db", "mlartifacts"} == {each.name for each in storage.iterdir()}
    assert len([*storage.glob("mlartifacts/**/ticket.json")]) == 1
    assert len(find_runs("some", str(storage))) == 1


def artifacts(tracker: Tracker, folder: Path) -> list[str]:
    """What MLflow itself finds of each run's artifacts."""
    client = MlflowClient(tracker.uri)
    return [
        client.download_artifacts(run.info.run_id, "ticket.json", str(folder))
        for run in runs(tracker)
        if run.info.run_name != "some"
    ]


def test_artifacts_are_where_the_storage_is_now(
    config: SweepConfig, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    old, new = tmp_path / "old", tmp_path / "new %20"
    old.mkdir()
    tracked(config.model_copy(update={"storage": str(old)}), "t1", 0.5)
    old.rename(new)
    tracker = tracked(config.model_copy(update={"storage": str(new)}), "t2", 0.6)
    assert not old.exists()
    assert len([*new.glob("mlartifacts/**/ticket.json")]) == 2
    for file in artifacts(tracker, tmp_path_factory.mktemp("downloads")):
        assert Path(file).read_text() == "{}"


def test_a_folder_that_may_not_be_written_is_no_absent_server(config: SweepConfig) -> None:
    tracker, lines = Tracker(config, {"seed": 0}, config.storage), list[str]()
    Path(config.storage, "mlartifacts").write_text("in the way")
    tracker.start("doge-0000-0", "t1", {}, {})
    box = Outbox(lines.append)
    box.put(lambda: tracker.end("doge-0000-0", texts={"ticket.json": "{}"}))
    assert box.finish(patience=0) == 0
    assert lines[0].startswith("not in MLflow: ")


NAMES = [
    "sci/tech",
    "sci_tech",
    "sci@tech",
    "a|b",
    "..",
    "é",
    "目标",
    "x" * 300,
    "x" * 301,
    "tab\t",
]


def test_metrics_of_names_that_mlflow_cannot_hold_stay_apart(config: SweepConfig) -> None:
    tracker = Tracker(config, {"seed": 0}, config.storage)
    tracker.start("doge-0000-0", "t1", {}, {})
    tracker.epoch("doge-0000-0", 1, {f"dev.{name}": n for n, name in enumerate(NAMES)})
    tracker.epoch("doge-0000-0", 1, {f"dev.{name}": 0.0 for name in NAMES})  # as after a restart
    tracker.end("doge-0000-0", metrics={f"target.{name}": n for n, name in enumerate(NAMES)})
    tracker.close("FINISHED")
    (run,) = (run for run in runs(tracker) if run.info.run_name != "some")
    (file,) = Path(config.storage).glob("mlartifacts/**/metric_names.json")
    true_names = json.loads(file.read_text())
    found = {true_names.get(key, key): value for key, value in run.data.metrics.items()}
    kinds = ("dev", "target")
    assert found == {f"{kind}.{name}": n for kind in kinds for n, name in enumerate(NAMES)}


@given(st.lists(st.text(max_size=300), unique=True, max_size=8))
def test_keys_differ_as_names_do(names: list[str]) -> None:
    keys = [metric_key(name) for name in names]
    assert len(set(keys)) == len(names)
    assert all(metric_key(key) == key for key in keys)
