"""A storage that refuses for a while: a full disk, one that is read-only, a busy bucket."""

from __future__ import annotations

import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyarrow import fs

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.folders import save_model
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.locate import find_model
from doge_ray.engine.doctor.facts import gather
from doge_ray.engine.prepare import prepare
from doge_ray.engine.store import Stage, StageStore, backends
from doge_ray.engine.store.storage import Storage
from doge_ray.errors import InputError, SweepError
from doge_ray.stages.snapshots import write_state
from tests.engine.bucket import ENVIRONMENT, Bucket
from tests.engine.project import make_project

STAGE = Stage("initial", {"seed": 1})
KINDS = ("text", "safetensors", "torch")
Write = Callable[[Path], None]


@dataclass(frozen=True)
class Place:
    """Where a store is, and how to let it refuse."""

    root: str
    refuse: Callable[[], None]
    mend: Callable[[], None]

    @property
    def store(self) -> StageStore:
        return StageStore(self.root)


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[Place]:
    with disk(folder) as root:
        filler = root / "filler"

        def fill() -> None:
            with pytest.raises(OSError, match="No space left"):
                filler.write_bytes(b"0" * 2**20)

        yield Place(str(root / "runs"), fill, filler.unlink)


@contextmanager
def read_only(folder: Path) -> Iterator[Place]:
    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)

    with disk(folder) as root:
        yield Place(str(root / "runs"), lambda: remount("ro"), lambda: remount("rw"))


@contextmanager
def busy_bucket(folder: Path) -> Iterator[Place]:
    def refuse(whether: bool) -> None:
        bucket.refuses = lambda method, path: whether

    with Bucket().served() as bucket:
        yield Place(bucket.uri, lambda: refuse(True), lambda: refuse(False))


DISKS = [full, read_only]


@pytest.fixture(params=[*DISKS, busy_bucket])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path / "cache"))
    with request.param(tmp_path / "disk") as found:
        found.store.put(STAGE, {"n": 1}, text("old"))
        yield found


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Write]:
    """What a store is asked to keep, by the library that writes it."""
    path = make_project(tmp_path_factory.mktemp("project"))
    config = load_config(str(path))
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    model = initial_model(prepared.model_folder, prepared.graph.label_names, seed=0)
    return {
        "text": text("new"),
        "safetensors": lambda folder: save_model(model, folder),
        "torch": lambda folder: write_state({"model": model.state_dict()}, folder),
    }


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.startswith("doge_ray")]


def text(content: str) -> Write:
    return lambda folder: (folder / "weights").write_text(content)


class Mechanic(logging.Handler):
    """Mends a place once a second warning might have come."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    def emit(self, record: logging.LogRecord) -> None:
        threading.Timer(1.5, self.place.mend).start()


@pytest.mark.parametrize(
    ("place", "kind"),
    [*((full, kind) for kind in KINDS), (read_only, "text"), (busy_bucket, "torch")],
    indirect=["place"],
)
def test_a_stage_is_published_once_the_storage_is_well_again(
    place: Place, kind: str, writers: dict[str, Write], caplog: pytest.LogCaptureFixture
) -> None:
    place.refuse()
    mechanic = Mechanic(place)
    logging.getLogger("doge_ray").addHandler(mechanic)
    try:
        place.store.put(STAGE, {"n": 2}, writers[kind])
    finally:
        logging.getLogger("doge_ray").removeHandler(mechanic)
    assert place.store.result(STAGE) == {"n": 2}
    assert any(place.store.files(STAGE).iterdir())
    assert len(place.store.list(STAGE.path)) == 2
    (warning,) = warnings(caplog)
    assert f"the storage {place.root} refuses: " in warning
    assert "tried again" in warning


def test_a_storage_that_refuses_for_too_long_is_an_error_and_loses_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StageStore, "patience", 0.5)
    place.refuse()
    with pytest.raises(SweepError, match=r"refused for \d+ s: .+; nothing published is lost"):
        place.store.put(STAGE, {"n": 2}, text("new"))
    place.mend()
    assert place.store.result(STAGE) == {"n": 1}
    assert (place.store.files(STAGE) / "weights").read_text() == "old"
    if "://" not in place.root:
        assert len(place.store.list(STAGE.path)) == 2


@pytest.mark.parametrize("place", DISKS, indirect=True)
def test_before_a_sweep_a_refusal_is_bad_input_at_once(place: Place) -> None:
    place.refuse()
    started = time.monotonic()
    with pytest.raises(InputError, match="cannot be written"):
        place.store.check_writable()
    assert time.monotonic() - started < 5
    place.mend()


@pytest.mark.parametrize("place", DISKS, indirect=True)
def test_the_doctor_is_told_of_a_refusal_at_once(place: Place) -> None:
    place.store.write_text("letter/driver", "hello")
    place.refuse()
    started = time.monotonic()
    facts = gather(place.root, "letter/driver", "letter/node")
    place.mend()
    assert time.monotonic() - started < 5
    assert facts.read is None
    assert facts.refused


def test_an_answer_is_not_asked_for_again(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    store = place.store
    assert store.read_text("nothing") is None
    assert store.read_text(f"{STAGE.path}/published.json/below") is None
    assert store.list("nothing") == []
    store.delete("nothing")
    with pytest.raises(FileNotFoundError):
        store.files(Stage("training", {"seed": 2}))
    assert not warnings(caplog)


def opening(monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
    """Let pyarrow answer so when a bucket is opened: a URI without a region makes it ask for it."""
    left = list(answers)

    def from_uri(uri: str) -> object:
        answer = left.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    known = vars(fs) | {"FileSystem": SimpleNamespace(from_uri=from_uri)}
    monkeypatch.setattr(backends, "fs", SimpleNamespace(**known))


def test_a_bucket_whose_region_is_asked_for_in_vain_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bucket = fs.LocalFileSystem(), str(tmp_path)
    opening(monkeypatch, OSError("When resolving region: timeout"), bucket)
    Storage("s3://bucket/runs").write_text("note", "kept")
    assert (tmp_path / "note").read_text() == "kept"


def test_who_only_reads_is_told_at_once_of_a_bucket_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opening(monkeypatch, OSError("When resolving region: no such bucket"))
    with pytest.raises(InputError, match=r"s3://bukcet/runs.*no such bucket; look for a slip"):
        Storage("s3://bukcet/runs").check_reachable()
