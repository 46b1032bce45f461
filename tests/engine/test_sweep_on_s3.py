"""A whole sweep in a bucket, killed between the upload of a model and its publication."""

from __future__ import annotations

import io
import json
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from doge_ray.engine.store.storage import Storage
from tests.engine.bucket import ENVIRONMENT, Bucket
from tests.engine.project import command, environment, kill_session, make_project, run

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with Bucket().served() as served:
        yield served


def kill_before_publication(
    bucket: Bucket, arguments: list[str], folder: Path, variables: dict[str, str]
) -> None:
    """Run a sweep until it is about to publish its first training, and kill it with its Ray."""
    about_to = threading.Event()

    def is_publication(method: str, path: str) -> bool:
        if method in ("POST", "PUT") and "/training/" in path and "published.json" in path:
            about_to.set()
        return about_to.is_set()

    bucket.refuses = is_publication
    process = subprocess.Popen(
        command("sweep", *arguments),
        cwd=folder,
        env=environment() | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert about_to.wait(300), "nothing was published"
    finally:
        kill_session(process.pid)
        process.wait()
    bucket.refuses = lambda method, path: False


def rows(table: bytes) -> list[dict[str, object]]:
    """Every trial, without what differs from run to run."""
    found = pq.read_table(io.BytesIO(table)).to_pylist()
    return [{key: row[key] for key in row.keys() - {"seconds"}} for row in found]


def unpublished(bucket: Bucket) -> set[str]:
    """Folders of files that no record in the bucket points to."""
    files = bucket.files()
    folders = {file.rpartition("/")[0] for file in files if "/files-" in file}
    records = [file for file in files if file.endswith(("published.json", "snapshot.json"))]
    return folders - {
        f"{record.rpartition('/')[0]}/{json.loads(bucket.read(record))['files']}"
        for record in records
    }


def test_a_sweep_on_s3_equals_a_local_one_and_reads_nothing_that_was_not_published(
    bucket: Bucket, tmp_path: Path
) -> None:
    path = make_project(
        tmp_path,
        methods=["dense", "doge"],
        train={"max_epochs": 1},
        search={"num_trials": 1},
    )
    local = run("sweep", str(path))
    assert local.returncode == 0, local.stderr

    variables = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "DOGE_RAY_CACHE": str(tmp_path / "cache"),
    }
    arguments = [str(path), f"storage={bucket.uri}"]
    kill_before_publication(bucket, arguments, tmp_path, variables)
    (half,) = unpublished(bucket)
    assert "store/training/" in half
    bucket.grow_old()
    finished = run("sweep", *arguments, folder=tmp_path, variables=variables)
    assert finished.returncode == 0, finished.stderr
    assert "refuses" not in finished.stderr
    assert not unpublished(bucket)
    expected = rows((tmp_path / "runs/tiny/trials.parquet").read_bytes())
    assert rows(bucket.read("tiny/trials.parquet")) == expected

    Storage(bucket.uri).delete("tiny/report.html")
    report = run("report", "tiny", f"storage={bucket.uri}", folder=tmp_path, variables=variables)
    assert report.returncode == 0, report.stderr
    assert "tiny/report.html" in bucket.files()
