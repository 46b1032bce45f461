"""A whole sweep through its command: stopped, killed, continued, repeated, extended.

One sweep goes through all of it, in order; starting Ray for each test alone would take minutes.
"""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from mlflow.tracking import MlflowClient
from transformers import AutoTokenizer

import doge_ray
from tests.engine.project import (
    command,
    environment,
    kill_session,
    make_project,
    published,
    run,
    run_here,
)

pytestmark = pytest.mark.ray

METHODS = ("dense", "random", "winning", "doge")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    make_project(folder, search={"max_concurrent": 2}, resources={"stage_workers": 2})
    return folder


@dataclass(frozen=True)
class Stopped:
    """What was left by a sweep that got SIGTERM where its shell had made it ignore SIGINT."""

    code: int
    error: str
    ignored_sigint: bool
    rows: list[dict[str, object]]
    published: dict[str, int]


@pytest.fixture(scope="module")
def stopped(project: Path) -> Stopped:
    """After it had scored, the last step that could change what signals do."""
    process = subprocess.Popen(
        command("sweep", str(project / "sweep.yaml")),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    wait_for(lambda: any("scoring" in path for path in published(project)), process)
    is_ignored = ignores(process.pid, signal.SIGINT)
    process.terminate()
    _, error = process.communicate(timeout=120)
    return Stopped(process.returncode, error, is_ignored, rows(project), published(project))


def ignores(process: int, number: signal.Signals) -> bool:
    """Whether a signal does nothing to a process."""
    status = Path(f"/proc/{process}/status").read_text()
    mask = int(status.split("SigIgn:")[1].split()[0], 16)
    return bool(mask >> (number - 1) & 1)


@pytest.fixture(scope="module")
def killed(project: Path, stopped: Stopped) -> dict[str, int]:
    """The stages that were published when the whole sweep was killed, Ray and all."""
    process = subprocess.Popen(
        command("sweep", str(project / "sweep.yaml")),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for(lambda: set(published(project)) - set(stopped.published), process)
    kill_session(process.pid)
    process.wait()
    return published(project)


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Until a condition holds that a sweep is to bring about."""
    deadline = time.monotonic() + 600
    while not condition():
        assert process.poll() is None, "the sweep ended before that"
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def finished(project: Path, killed: dict[str, str]) -> dict[str, str]:
    """The stages that were published when the same command had run to its end."""
    result = run("sweep", str(project / "sweep.yaml"))
    assert result.returncode == 0, result.stderr
    return published(project)


def rows(project: Path) -> list[dict[str, object]]:
    return pq.read_table(project / "runs/tiny/trials.parquet").to_pylist()


def tracked(project: Path) -> Counter[str]:
    """How many MLflow runs there are of each trial and stage."""
    client = MlflowClient(f"sqlite:///{project / 'runs/mlflow.db'}")
    experiment = client.get_experiment_by_name("doge_ray")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    return Counter(run.info.run_name for run in found)


def test_sigterm_leaves_the_tables_of_what_there_is(stopped: Stopped) -> None:
    assert stopped.code == 130, stopped.error
    assert "interrupted; nothing finished is lost" in stopped.error
    finished = {row["method"] for row in stopped.rows if row["status"] == "finished"}
    assert "dense" in finished


def test_no_step_takes_ctrl_c_away_from_the_shell(stopped: Stopped) -> None:
    assert stopped.ignored_sigint


def test_no_published_stage_runs_again_after_a_kill(
    stopped: Stopped, killed: dict[str, int], finished: dict[str, int]
) -> None:
    # A stage's result holds how long it took: one that ran again would tell another time.
    assert stopped.published
    assert {path: killed[path] for path in stopped.published} == stopped.published
    assert {path: finished[path] for path in killed} == killed


def test_the_table_has_no_gap_and_no_double(project: Path, finished: dict[str, str]) -> None:
    found = Counter((row["method"], row["trial"], row["replicate"]) for row in rows(project))
    assert set(found.values()) == {1}
    search = {(method, trial, 0) for method in METHODS for trial in range(2)}
    assert search <= set(found)
    repeats = set(found) - search
    assert Counter(method for method, _, replicate in repeats if replicate == 1) == dict.fromkeys(
        METHODS, 1
    )
    assert all(row["status"] == "finished" for row in rows(project))


def test_every_trial_and_stage_is_tracked_once(project: Path, finished: dict[str, str]) -> None:
    found = tracked(project)
    assert set(found.values()) == {1}
    names = {f"{r['method']}-{r['trial']:04d}-{r['replicate']}" for r in rows(project)}
    assert set(found) == names | {"tiny", "scoring-replicate-0", "scoring-replicate-1"}


def test_each_method_is_chosen_once_by_dev_and_once_by_target(
    project: Path, finished: dict[str, str]
) -> None:
    for method in METHODS:
        search = [r for r in rows(project) if r["method"] == method and r["replicate"] == 0]
        honest = [row for row in search if row["selected"]]
        oracle = [row for row in search if row["selected_oracle"]]
        assert len(honest) == len(oracle) == 1
        assert honest[0]["dev_metric"] == max(row["dev_metric"] for row in search)
        assert oracle[0]["target_metric"] == max(row["target_metric"] for row in search)


def test_the_sweep_learned_its_task(project: Path, finished: dict[str, str]) -> None:
    dense = [row for row in rows(project) if row["method"] == "dense"]
    assert min(row["target_metric"] for row in dense) > 0.9


def test_chosen_models_load_and_predict(project: Path, finished: dict[str, str]) -> None:
    for method in METHODS:
        folder = project / "runs/tiny/models" / method
        model = doge_ray.load_model(folder)
        tokens = AutoTokenizer.from_pretrained(folder)(["w0 w1 w2 w55"], return_tensors="pt")
        tokens.pop("token_type_ids", None)
        with torch.inference_mode():
            assert model(**tokens).logits.argmax(-1).item() == 1
        ticket = json.loads((project / f"runs/tiny/tickets/{method}.json").read_text())
        assert ticket["kind"] == method


def test_only_the_winners_keep_their_weights(project: Path, finished: dict[str, str]) -> None:
    # A kill may leave a second, unfinished folder beside a winner's.
    kept = {path.parent for path in (project / "runs/store/training").glob("*/files-*")}
    chosen = {r["ticket"] for r in rows(project) if r["selected"]}
    assert len(kept) == len(chosen)
    assert not list((project / "runs/store/training").glob("*/snapshot.json"))


def test_a_finished_sweep_is_found_finished(project: Path, finished: dict[str, str]) -> None:
    before = rows(project)
    result = run("sweep", str(project / "sweep.yaml"))
    assert result.returncode == 0, result.stderr
    assert "epoch" not in result.stdout
    assert published(project) == finished
    assert rows(project) == before


def test_more_trials_continue_the_study(project: Path, finished: dict[str, str]) -> None:
    before = {(r["method"], r["trial"]): r for r in rows(project) if r["replicate"] == 0}
    result = run("sweep", str(project / "sweep.yaml"), "search.num_trials=3")
    assert result.returncode == 0, result.stderr
    after = {(r["method"], r["trial"]): r for r in rows(project) if r["replicate"] == 0}
    assert set(after) - set(before) == {(method, 2) for method in METHODS}
    same = ("learning_rate", "sparsity", "variance_weight", "seed")
    for key, row in before.items():
        assert {name: after[key][name] for name in same} == {name: row[name] for name in same}
    assert {path: published(project)[path] for path in finished} == finished


def test_other_settings_are_refused_in_the_same_folder(
    project: Path, finished: dict[str, str]
) -> None:
    changed = ["train.max_epochs=3", "train.padding_free=true"]
    result = run_here("sweep", str(project / "sweep.yaml"), *changed)
    assert result.returncode == 2
    assert "train.max_epochs: 2 there, 3 here; " in result.stderr
    assert "train.padding_free: false there, true here" in result.stderr  # it came later
    assert "name=NEW_NAME" in result.stderr


def test_the_report_is_written_from_the_store_alone(
    project: Path, finished: dict[str, str]
) -> None:
    summary, page = project / "runs/tiny/summary.md", project / "runs/tiny/report.html"
    summary.unlink()
    page.unlink()
    result = run_here("report", "tiny", f"storage={project / 'runs'}")
    assert result.returncode == 0, result.stderr
    assert "| doge |" in summary.read_text()
    assert "All trials" in page.read_text()
