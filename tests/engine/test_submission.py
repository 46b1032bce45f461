"""What travels with a submitted sweep, and how its log is followed."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ray.job_submission import JobDetails, JobStatus, JobType

from doge_ray import sweep
from doge_ray.config import load, load_config, load_parts, sweep_files
from doge_ray.engine.cluster import submission
from doge_ray.engine.cluster.submission import collect, follow
from doge_ray.errors import InputError, SweepError
from doge_ray.terminal import shown
from tests.engine.nodes import free_ports


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with sweeps of her own."""
    folder = tmp_path / "here"
    own = {"model": "m", "data": {"set": "mnli"}, "seed": 7}
    for place in ("sweeps/own.yaml", "deep/own.yaml", "../beside.yaml"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(yaml.safe_dump(own))
    several = {"parts": [{"sweep": "own"}, {"sweep": "deep/own.yaml", "name": "deep"}]}
    (folder / "several.yaml").write_text(yaml.safe_dump(several))
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    "name",
    ["own", "deep/own.yaml", "several.yaml", "../beside.yaml", "ABSOLUTE/several.yaml", "table2"],
)
def test_a_sweep_is_the_same_where_it_was_sent(
    name: str, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = name.replace("ABSOLUTE", str(here))
    before = load_parts(name) or load_config(name)
    there = tmp_path / "there"
    main = collect(sweep_files(name), there)
    monkeypatch.chdir(there)
    monkeypatch.setattr(load, "SWEEP_FOLDERS", [Path("sweeps")])
    assert (load_parts(main) or load_config(main)) == before


def test_a_part_that_would_not_be_found_there_is_refused(here: Path, tmp_path: Path) -> None:
    Path("parts.yaml").write_text(
        yaml.safe_dump({"parts": [{"sweep": str(here / "several.yaml")}]})
    )
    with pytest.raises(InputError, match=r"several\.yaml would not be found on the cluster"):
        collect(sweep_files("parts.yaml"), tmp_path / "there")


def test_bad_input_needs_no_cluster_to_be_refused(here: Path) -> None:
    with pytest.raises(InputError, match="unknown key 'sed'; did you mean 'seed'"):
        sweep.main(["own", "sed=3", "--submit"])


def test_a_server_that_is_none_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://127.0.0.1:{free_ports(1)[0]}")
    with pytest.raises(InputError, match=r"no job server of Ray answers at http.*ray dashboard"):
        sweep.main(["own", "--submit"])
    with pytest.raises(InputError, match="HOST:6379: a sweep is submitted to a job server"):
        sweep.main(["own", "--submit", "--address", "HOST:6379"])


@contextmanager
def server(**answers: object) -> Iterator[str]:
    """An HTTP server that answers GET with the JSON given for a path's end, and takes no job."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.strip("/").rpartition("/")[2])
            self.answer(404 if answer is None else 200, answer)

        def do_POST(self) -> None:
            self.answer(500, "Job with submission_id own-1 already exists.")

        def do_PUT(self) -> None:
            self.answer(200, None)

        def answer(self, status: int, content: object) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}"
    finally:
        listener.shutdown()
        listener.server_close()


@pytest.mark.parametrize("version", [None, ["a", "list"], {"mlflow": "3"}, {"ray_version": "1.8"}])
def test_another_server_is_no_job_server(
    version: object, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(version=version) as address:
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
        with pytest.raises(InputError, match=r"no job server of Ray answers at http.*dashboard"):
            sweep.main(["own", "--submit"])


@pytest.mark.parametrize(
    ("jobs", "why"),
    [([], r"own-1 already exists\."), ([{"from": "another version"}], "validation error")],
)
def test_a_job_server_that_does_not_take_a_sweep_is_quoted(
    jobs: object, why: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with server(version={"ray_version": "2.60.0"}, jobs=jobs) as address:
        monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
        with pytest.raises(InputError, match=rf"(?s)does not take the sweep: .*{why}"):
            sweep.main(["own", "--submit"])


class Flaky:
    """A job server whose connections break; every new one begins the log from its beginning."""

    def __init__(self, chunks: list[str], breaks: list[int], end: JobDetails | None) -> None:
        self.chunks, self.breaks, self.end = chunks, breaks, end

    async def tail_job_logs(self, job: str) -> AsyncIterator[str]:
        last = self.breaks.pop() if self.breaks else None
        for chunk in self.chunks[:last]:
            yield chunk
        if last is not None:
            raise ConnectionError("broken pipe")

    def list_jobs(self) -> list[JobDetails]:
        return [] if self.end is None else [self.end]


def job(status: JobStatus, code: int | None = None) -> JobDetails:
    return JobDetails(
        type=JobType.SUBMISSION,
        submission_id="own-1",
        status=status,
        entrypoint="",
        message="said Ray",
        driver_exit_code=code,
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.text(min_size=1)), breaks=st.lists(st.integers(0, 9), max_size=4))
def test_every_line_is_shown_once_however_often_the_connection_breaks(
    chunks: list[str],
    breaks: list[int],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submission, "RETRY_SECONDS", 0)
    is_lost = bool(breaks)
    capsys.readouterr()
    client = Flaky(chunks, breaks, job(JobStatus.SUCCEEDED, 0))
    assert follow(client, "own-1") == 0  # type: ignore[arg-type]
    told = capsys.readouterr()
    assert told.out == "".join(map(shown, chunks))
    assert told.err.count("connection lost") == is_lost


@pytest.mark.parametrize(("code", "status"), [(0, JobStatus.SUCCEEDED), (2, JobStatus.FAILED)])
def test_the_exit_code_is_the_sweeps(code: int, status: JobStatus) -> None:
    assert follow(Flaky([], [], job(status, code)), "own-1") == code  # type: ignore[arg-type]


@pytest.mark.parametrize("end", [job(JobStatus.STOPPED), job(JobStatus.FAILED, -9), None])
def test_a_job_that_ended_without_its_sweep_says_how_to_go_on(end: JobDetails | None) -> None:
    with pytest.raises(SweepError, match="the same command goes on"):
        follow(Flaky([], [], end), "own-1")  # type: ignore[arg-type]
