"""A cluster of two nodes from outside: submit, leave, come back, stop, go on; and the doctor.

One cluster serves all tests: starting one takes as long as several of them.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import requests

from tests.engine.nodes import Nodes, two_nodes
from tests.engine.project import command, make_project, published

pytestmark = pytest.mark.ray

TRIAL = "dense-0000-0  source dev"
"""What is said when the first trial has ended."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, who keeps a sweep of her own in it."""
    folder = tmp_path_factory.mktemp("user")
    search = {"num_trials": 1, "learning_rate": [0.01], "sparsity": [0.3], "sampler": "grid"}
    path = make_project(
        folder, name="mine", methods=["dense"], search=search, train={"max_epochs": 1}
    )
    (folder / "sweeps").mkdir()
    path.rename(folder / "sweeps/mine.yaml")
    return folder


def start(folder: Path, nodes: Nodes, *arguments: str) -> subprocess.Popen[str]:
    """Submit the sweep as the user would, from her folder."""
    return subprocess.Popen(
        command("sweep", "mine", *arguments, "--submit", "--address", nodes.job_server),
        cwd=folder,
        env=nodes.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    code: int
    output: str
    error: str


def ended(process: subprocess.Popen[str], seen: str = "") -> Ended:
    """Wait for the end; ``seen`` was read before."""
    output, error = process.communicate(timeout=300)
    return Ended(process.returncode, seen + output, error)


def read_until(word: str, process: subprocess.Popen[str]) -> str:
    """What a command prints up to the line with a word."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return "".join(lines)
    raise AssertionError("".join(lines) + ended(process).error)


@dataclass(frozen=True)
class Visits:
    """To one job."""

    left: Ended
    with_other_settings: Ended
    followed: Ended


@pytest.fixture(scope="module")
def visits(folder: Path, nodes: Nodes) -> Visits:
    """Left at its beginning and followed to its end, which comes soon: its storage will not do."""
    settings = "storage=runs", "name=lost"
    first = start(folder, nodes, *settings)
    seen = read_until("Running entrypoint", first)
    with standing_still("name=lost"):
        first.send_signal(signal.SIGINT)
        left = ended(first, seen)
        second = start(folder, nodes, *settings)
        seen = read_until("Running entrypoint", second)
        others = ended(start(folder, nodes, *settings, "search.num_trials=2"))
    return Visits(left, others, ended(second, seen))


@contextmanager
def standing_still(setting: str) -> Iterator[None]:
    """Keep the job with a setting from going on, soon after its start."""
    deadline = time.monotonic() + 60
    while not (jobs := [*jobs_with(setting)]):
        assert time.monotonic() < deadline, "the job never started"
        time.sleep(0.05)
    jobs[0].suspend()
    try:
        yield
    finally:
        jobs[0].resume()


def jobs_with(setting: str) -> Iterator[psutil.Process]:
    """Sweeps with a setting that are no submissions of one."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            words = process.cmdline()
            if {"doge_ray.sweep", setting} <= {*words} and "--submit" not in words:
                yield process


def test_who_leaves_is_told_how_to_come_back_and_how_to_stop(visits: Visits) -> None:
    assert visits.left.code == 130
    assert "lost-1 goes on; the same command follows it" in visits.left.error
    assert "ray job stop lost-1" in visits.left.error


def test_who_comes_back_sees_all_from_the_beginning_and_gets_the_exit_code(visits: Visits) -> None:
    assert visits.followed.code == 2, visits.followed.output + visits.followed.error
    assert "lost-1 at" in visits.followed.error
    assert visits.left.output in visits.followed.output
    assert visits.followed.output.count("Running entrypoint") == 1


def test_a_running_sweep_is_not_followed_under_other_settings(visits: Visits) -> None:
    assert visits.with_other_settings.code == 2
    assert "lost-1 runs this sweep with other settings" in visits.with_other_settings.error


def test_a_storage_that_would_go_with_the_job_is_refused_before_all_else(visits: Visits) -> None:
    assert "lies in the job's own folder" in visits.followed.output
    assert "s3://BUCKET/FOLDER" in visits.followed.output
    # Nothing else is wrong with the cluster, and the data was not looked at yet.
    assert "versions" not in visits.followed.output
    assert "rarest label" not in visits.followed.output


@pytest.mark.slow
def test_a_submitted_sweep_is_finished_and_then_found_finished(folder: Path, nodes: Nodes) -> None:
    first = start(folder, nodes)
    seen = read_until(TRIAL, first)
    first.send_signal(signal.SIGINT)
    left = ended(first, seen)
    finished = ended(start(folder, nodes))
    assert finished.code == 0, finished.output + finished.error
    assert left.output in finished.output
    assert finished.output.count(TRIAL) == 1
    assert "100.0" in finished.output

    before = published(folder)
    again = ended(start(folder, nodes))
    assert again.code == 0, again.output + again.error
    assert "mine-2 at" in again.error
    assert "epoch" not in again.output
    assert "100.0" in again.output
    assert published(folder) == before


@pytest.mark.slow
def test_a_stopped_sweep_leaves_its_tables_and_goes_on(folder: Path, nodes: Nodes) -> None:
    settings = "name=stopped", "seed=1"
    before = set(published(folder))
    running = start(folder, nodes, *settings)
    seen = read_until(TRIAL, running)
    stop = "ray", "job", "stop", "stopped-1", "--address", nodes.job_server
    subprocess.run(stop, env=nodes.environment, check=True, capture_output=True, timeout=120)
    stopped = ended(running, seen)
    assert stopped.code == 1
    assert "interrupted; nothing finished is lost" in stopped.output
    assert "the same command goes on" in stopped.error
    tables = {path.name for path in (folder / "runs/stopped").iterdir()}
    assert {"summary.md", "trials.parquet"} <= tables

    done = {path: time for path, time in published(folder).items() if path not in before}
    finished = ended(start(folder, nodes, *settings))
    assert finished.code == 0, finished.output + finished.error
    assert done
    assert {path: published(folder)[path] for path in done} == done
    assert set(published(folder)) > set(done)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_the_job_server_refuses_who_has_no_token(method: str, nodes: Nodes) -> None:
    url = f"{nodes.job_server}/api/jobs/" + ("mine-1" if method == "DELETE" else "")
    body = {"entrypoint": "true"} if method == "POST" else None
    assert requests.request(method, url, json=body, timeout=60).status_code == 401
    wrong = {"Authorization": "Bearer " + "f" * 32}
    assert requests.request(method, url, json=body, headers=wrong, timeout=60).status_code == 403


@pytest.mark.parametrize("token", ["f" * 32, None])
def test_who_submits_with_a_wrong_token_is_told_where_to_get_the_right_one(
    token: str | None, nodes: Nodes, folder: Path, tmp_path: Path
) -> None:
    known = {k: v for k, v in nodes.environment.items() if not k.startswith("RAY_AUTH")}
    if token is not None:
        (tmp_path / "token").write_text(token)
        known |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}
    result = ended(start(folder, Nodes(nodes.address, nodes.job_server, known)))
    assert result.code == 2
    assert "Traceback" not in result.error
    for words in (nodes.job_server, "ray get-auth-token", "RAY_AUTH_TOKEN_PATH"):
        assert words in result.error


def diagnosis(nodes: Nodes, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the doctor says, asked from a folder that no node works in."""
    return subprocess.run(
        command("doctor", "mine", *arguments, "--address", nodes.address),
        cwd=folder,
        env=nodes.environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_doctor_finds_a_healthy_cluster_healthy(nodes: Nodes, folder: Path) -> None:
    result = diagnosis(nodes, folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "error" not in result.stdout
    assert result.stdout.count("writable and shared") == 2
    for check in ("MLflow", "model", "data"):
        assert check in result.stdout
    assert not list((folder / "runs").glob(".doctor*"))


def test_the_doctor_finds_a_storage_that_is_not_shared(nodes: Nodes, folder: Path) -> None:
    """A path that is another folder for each process."""
    result = diagnosis(nodes, folder, "storage=/proc/self/cwd/own")
    assert result.returncode == 1, result.stdout + result.stderr
    assert result.stdout.count("is another place there") == 2
    assert "name a place that every node sees" in result.stdout
