"""Passwords and keys: refused in settings, and shown nowhere where an address may hold one."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from doge_ray.command import run_command
from doge_ray.config import load_config
from doge_ray.engine.results.reading import load_records
from doge_ray.engine.store.storage import Storage
from doge_ray.errors import InputError
from doge_ray.redact import has_secret, redacted, without_user
from tests.engine.project import command, environment, make_project

SECRET = "hush4711"
HOLD_ONE = [
    f"s3://KEY:{SECRET}@bucket/runs",
    f"s3://KEY:{SECRET}/with+slash@bucket/runs",
    f"s3://KEY:/{SECRET}@bucket/runs",
    f"s3://KEY:4711/{SECRET}@bucket/runs",
    f"s3://bucket/runs?secret_key={SECRET}&region=eu",
    f"s3://bucket/runs?region=eu&Session_Token={SECRET}",
    f"gs://bucket/runs?access_token={SECRET}",
    f"abfs://account:{SECRET}@container/runs",
    f"abfs://container/runs?sig={SECRET}",
    f"s3://bucket/runs?endpoint_override=https://user:{SECRET}@host:9000",
    f"https://{SECRET}@host/runs",
]
HOLD_NONE = [
    "runs",
    "/srv/a@b/runs",
    "s3://bucket/a@b/runs?region=eu-west-1&scheme=http&endpoint_override=127.0.0.1:9000",
    "gs://bucket/runs?anonymous=true",
    "file:///srv/runs",
    "http://[::1]:5000/runs",
]


@pytest.mark.parametrize("uri", HOLD_ONE)
def test_a_secret_is_found_and_hidden(uri):
    assert has_secret(uri)
    assert SECRET not in redacted(f"cannot reach {uri!r}, nor <a href={uri}>it</a>: {uri}")


@pytest.mark.parametrize("uri", HOLD_NONE)
def test_what_holds_no_secret_is_left_alone(uri):
    assert not has_secret(uri)


def test_a_text_without_secrets_stays_as_it_is():
    text = "see http://127.0.0.1:5000/#/experiments/1?key_layer=2 or mail a@b.c; sqlite:///x/y.db"
    assert redacted(text) == text


def test_a_link_names_no_user():
    assert without_user(f"https://me:{SECRET}@host:5000/mlflow") == "https://host:5000/mlflow"


@pytest.mark.parametrize("uri", HOLD_ONE)
def test_a_storage_with_a_secret_is_refused_and_the_remedy_named(uri, tmp_path):
    (tmp_path / "mine.yaml").write_text("model: some/encoder\ndata: {set: amazon}\n")
    for attempt in (
        lambda: load_config(str(tmp_path / "mine.yaml"), [f"storage={uri}"]),
        lambda: load_records("some", uri),
        lambda: Storage(uri),
    ):
        with pytest.raises(InputError, match=r"AWS_ACCESS_KEY_ID.*profile") as refusal:
            attempt()
        assert SECRET not in str(refusal.value)


@pytest.mark.parametrize("kind", [InputError, RuntimeError])
def test_no_error_that_ends_a_command_shows_a_secret(kind, capsys):
    def fail(_):
        raise kind(f"no answer from https://me:{SECRET}@host/api?token={SECRET}")

    with pytest.raises(SystemExit) as end:
        run_command(fail)
    shown = capsys.readouterr().err
    assert end.value.code == (2 if kind is InputError else 1)
    assert SECRET not in shown
    assert "no answer from https://***@host/api?token=***" in shown


@pytest.mark.ray
@pytest.mark.slow
def test_the_password_of_a_tracking_address_is_left_nowhere(tmp_path):
    make_project(tmp_path, methods=["dense"], train={"max_epochs": 1}, search={"num_trials": 1})
    database = f"sqlite:///file:{tmp_path}/tracked.db?uri=true&password={SECRET}"
    logs = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))  # Ray's sockets need a short path
    run = subprocess.run(
        command("sweep", str(tmp_path / "sweep.yaml")),
        env=environment() | {"MLFLOW_TRACKING_URI": database, "RAY_TMPDIR": str(logs)},
        cwd=tmp_path,  # MLflow takes a part of the address for a folder, and makes it
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr
    assert "tracked.db?uri=true&password=***" in run.stdout
    assert SECRET not in run.stdout + run.stderr
    files = [file for place in (tmp_path, logs) for file in place.rglob("*") if file.is_file()]
    assert {"tracked.db", "report.html", "sweep.json", "raylet.out"} <= {f.name for f in files}
    assert not [str(file) for file in files if SECRET.encode() in file.read_bytes()]
    shutil.rmtree(logs)
