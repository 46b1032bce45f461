import os
import pickle

import pytest

from doge_ray.engine.store.copies import local_copy
from doge_ray.engine.store.storage import Storage
from doge_ray.errors import InputError


@pytest.fixture(params=["folder", "file URI", "remote"])
def storage(request, tmp_path, monkeypatch) -> Storage:
    """A folder, the same as a URI, and a filesystem that is not of this machine's disk."""
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path / "cache"))
    roots = {"folder": f"{tmp_path}/runs", "file URI": f"file://{tmp_path}/runs"}
    return Storage(roots.get(request.param, "mock:///runs"))


def fill(**files):
    def write(folder):
        for name, text in files.items():
            (folder / name).write_text(text)

    return write


def broken(folder):
    (folder / "half").write_text("written")
    raise RuntimeError("killed")


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_texts_are_read_as_written_and_replaced(storage):
    assert storage.read_text("a/b.txt") is None
    storage.write_text("a/b.txt", "λ = 10")
    assert storage.read_text("a/b.txt") == "λ = 10"
    storage.write_text("a/b.txt", "")
    assert storage.read_text("a/b.txt") == ""


def test_a_folder_lists_its_names_and_nothing_half_written(storage):
    assert storage.list("a") == []
    for name in ("b", "c", "a"):
        storage.write_text(f"a/{name}", name)
    storage.write_text("a/deeper/x", "")
    assert storage.list("a") == ["a", "b", "c", "deeper"]


def test_files_and_folders_are_deleted_if_they_are_there(storage):
    storage.write_text("a/b", "")
    storage.write_text("a/c/d", "")
    storage.delete("a/b")
    storage.delete("a/c")
    storage.delete("a/never")
    assert storage.list("a") == []


def test_a_folder_is_put_and_read(storage):
    storage.put_folder("models/dense", fill(config="{}", weights="0 1"))
    assert content(storage.local_folder("models/dense")) == {"config": "{}", "weights": "0 1"}


def test_a_folder_is_replaced(storage):
    for weights in ("old", "new"):
        storage.replace_folder("models/dense", fill(**{weights: weights}))
    assert storage.list("models") == ["dense"]
    assert storage.list("models/dense") == ["new"]


def test_a_failed_replacement_leaves_what_stood_there(storage):
    storage.replace_folder("models/dense", fill(weights="good"))
    with pytest.raises(RuntimeError, match="killed"):
        storage.replace_folder("models/dense", broken)
    assert storage.list("models/dense") == ["weights"]


def test_a_failed_write_leaves_what_stood_there(tmp_path):
    storage = Storage(str(tmp_path))
    storage.write_text("a.json", "good")
    with pytest.raises(TypeError):
        storage.write_bytes("a.json", object())
    assert storage.read_text("a.json") == "good"


def test_a_remote_folder_is_copied_once(tmp_path, monkeypatch):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path / "cache"))
    storage = Storage("mock:///runs")
    storage.put_folder("models/dense", fill(weights="0 1"))
    first = storage.local_folder("models/dense")
    storage.delete("models/dense")
    assert storage.local_folder("models/dense") == first
    assert content(first) == {"weights": "0 1"}


def test_copies_that_nobody_asks_for_any_more_make_room(tmp_path, monkeypatch):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path))
    storage = Storage("mock:///runs")
    for name in ("used", "unused", "new"):
        storage.put_folder(f"models/{name}", fill(weights=name))
    used, unused = (storage.local_folder(f"models/{name}") for name in ("used", "unused"))
    for copy in (used, unused):
        os.utime(copy, (0, 0))
    assert storage.local_folder("models/used") == used
    assert content(unused) == {"weights": "unused"}
    new = storage.local_folder("models/new")
    assert sorted(new.parent.iterdir()) == sorted([used, new])
    assert content(storage.local_folder("models/unused")) == {"weights": "unused"}


def test_a_copy_that_fails_leaves_nothing_to_read(tmp_path, monkeypatch):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path))
    with pytest.raises(RuntimeError, match="killed"):
        local_copy("models/dense", broken)
    assert list((tmp_path / "store").iterdir()) == []
    assert content(local_copy("models/dense", fill(weights="0 1"))) == {"weights": "0 1"}


def test_of_two_processes_that_copy_at_once_both_get_the_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path))

    def overtaken(folder):
        fill(weights="0 1")(folder)
        local_copy("models/dense", fill(weights="0 1"))

    assert content(local_copy("models/dense", overtaken)) == {"weights": "0 1"}


def test_what_a_killed_process_was_about_to_put_in_place_is_deleted(tmp_path):
    storage = Storage(str(tmp_path))
    storage.write_text("sweep/sweep.json", "{}")
    storage.write_text("sweep/sweep.json.0123abcd.partial", "{")
    storage.put_folder("sweep/models/dense.0123abcd.partial", fill(weights="0"))
    storage.discard_partials("sweep")
    assert len(storage.list("sweep")) == 3, "it may still be written"
    storage.discard_partials("sweep", age=0)
    assert storage.list("sweep") == ["models", "sweep.json"]
    assert storage.list("sweep/models") == []


def test_it_travels_to_other_processes(tmp_path, monkeypatch):
    """A relative root means the folder of the process that named it."""
    monkeypatch.chdir(tmp_path)
    storage = Storage("runs")
    storage.write_text("a", "here")
    sent = pickle.dumps(storage)
    monkeypatch.chdir("/")
    assert pickle.loads(sent).read_text("a") == "here"


def test_a_home_folder_is_meant(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Storage("~/runs").root == f"{tmp_path}/runs"


def test_a_check_leaves_nothing_behind(storage):
    storage.check_writable()
    assert storage.list("") == []


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"storage='.*file/runs' cannot be written: .+; choose"):
        Storage(f"{tmp_path}/file/runs").check_writable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_forbidden_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        Storage(f"{tmp_path}/runs").check_writable()


def test_an_unknown_scheme_is_refused():
    with pytest.raises(InputError, match="storage='nosuch://bucket/runs' is no place that can be"):
        Storage("nosuch://bucket/runs").check_writable()
    with pytest.raises(InputError, match="storage='s3://' is no place that can be opened"):
        Storage("s3://").read_text("some/sweep.json")


def test_a_second_sweep_is_kept_out_until_the_first_ends(tmp_path):
    first, second = Storage(str(tmp_path / "runs")), Storage(str(tmp_path / "runs"))
    expected = pytest.raises(InputError, match=r"another sweep runs in .*storage=FOLDER")
    with first.locked(), expected, second.locked():
        pass
    with second.locked():
        pass


@pytest.mark.parametrize(
    ("root", "below"),
    [
        ("s3://bucket/runs/", "s3://bucket/runs/store"),
        ("s3://bucket/runs?region=eu-west-1", "s3://bucket/runs/store?region=eu-west-1"),
        ("/srv/runs", "/srv/runs/store"),
        ("/srv/what?", "/srv/what?/store"),
    ],
)
def test_a_folder_inside_keeps_the_query_of_a_uri(root, below):
    assert Storage(root).below("store") == below


def test_a_file_has_no_files_below(storage):
    storage.write_text("file", "")
    assert storage.read_text("file/inside.json") is None
