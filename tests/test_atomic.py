"""Files and folders are whole or not there, whenever the process that writes them ends."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doge_ray.atomic import PARTIAL, new_folder, replaced_folder, write_file

OLD = {"weights": b"old", "deep/config": b"{}"}
NEW = {"weights": b"new, longer", "deep/er/x": b""}


def content(path: Path) -> object:
    """A file's bytes, a folder's files, or None where nothing is."""
    if path.is_dir():
        files = [file for file in path.rglob("*") if file.is_file()]
        return {str(file.relative_to(path)): file.read_bytes() for file in files}
    return path.read_bytes() if path.exists() else None


def beside(path: Path) -> list[Path]:
    return [each for each in path.parent.iterdir() if each != path]


def fill(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def a_file(path: Path, files: dict[str, bytes]) -> None:
    write_file(path, files["weights"])


def a_new_folder(path: Path, files: dict[str, bytes]) -> None:
    with new_folder(path) as folder:
        fill(folder, files)


def a_replaced_folder(path: Path, files: dict[str, bytes]) -> None:
    with replaced_folder(path) as folder:
        fill(folder, files)


WRITERS = [a_file, a_new_folder, a_replaced_folder]


def killed() -> None:
    os._exit(1)


def refused() -> None:
    raise OSError("No space left on device")


def came_to(step: int, work: Callable[[], None], fail: Callable[[], None]) -> bool:
    """Whether work, done in a process of its own, makes so many calls that ``fail`` strikes."""
    child = os.fork()
    if child == 0:
        calls = iter(range(step + 1))

        def watch(event: str, _: object) -> None:
            counts = event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir")
            if counts and next(calls, None) == step:
                fail()

        sys.addaudithook(watch)
        with suppress(OSError):
            work()
        os._exit(next(calls, None) is None)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize("fail", [killed, refused])
def test_wherever_it_ends_the_old_or_the_new_is_there(write, fail, tmp_path):
    seen, step, ended = [], 0, True
    while ended:
        path = tmp_path / str(step) / "target"
        path.parent.mkdir()
        if write is not a_new_folder:
            write(path, OLD)
        before = content(path)
        ended = came_to(step, lambda: write(path, NEW), fail)  # noqa: B023
        seen.append(content(path))
        assert all(each.name.endswith(PARTIAL) for each in beside(path))
        if fail is refused and seen[-1] == before:
            assert not beside(path)
        step += 1
    assert not beside(path)
    after = NEW["weights"] if write is a_file else NEW
    if fail is refused:  # a folder that is there need not be made
        assert before in seen
        assert all(each in (before, after) for each in seen)
    elif write is a_replaced_folder:  # nothing, between the two renames
        assert in_turn(seen) == [before, None, after]
    else:
        assert in_turn(seen) == [before, after]


def in_turn(seen: list[object]) -> list[object]:
    return [each for each, _ in groupby(seen)]


@pytest.mark.parametrize("write", WRITERS)
def test_all_of_it_is_on_the_disk_before_it_is_seen(write, tmp_path, monkeypatch):
    """And then its name, and those of the folders that were made for it."""
    path, fsync, brought = tmp_path / "runs" / "some" / "target", os.fsync, []

    def watched(descriptor: int) -> None:
        brought.append((os.fstat(descriptor).st_ino, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write(path, NEW)
    parts = {part.stat().st_ino for part in (path, *path.rglob("*"))}
    assert parts == {inode for inode, seen in brought if not seen} - folders_of(path)
    assert {inode for inode, seen in brought if seen} == {path.parent.stat().st_ino}
    assert folders_of(path) <= {inode for inode, _ in brought}


def folders_of(path: Path) -> set[int]:
    return {folder.stat().st_ino for folder in path.parents[:3]}


@pytest.mark.parametrize("write", WRITERS)
def test_an_interrupt_in_the_middle_leaves_nothing(write, tmp_path, monkeypatch):
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "target", NEW)
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_a_folder_at_once_the_first_stays(tmp_path):
    with new_folder(tmp_path / "copy") as late:
        fill(late, NEW)
        a_new_folder(tmp_path / "copy", OLD)
    assert content(tmp_path / "copy") == OLD
    assert not beside(tmp_path / "copy")


def test_a_folder_takes_the_place_of_anything(tmp_path):
    (tmp_path / "target").write_bytes(b"a file")
    a_replaced_folder(tmp_path / "target", NEW)
    assert content(tmp_path / "target") == NEW
    (tmp_path / "link").symlink_to(tmp_path / "target")
    a_replaced_folder(tmp_path / "link", OLD)
    assert content(tmp_path / "link") == OLD
    assert content(tmp_path / "target") == NEW
    assert len(list(tmp_path.iterdir())) == 2


files = st.dictionaries(
    st.text("abc.", min_size=1, max_size=8).filter(lambda name: name.strip(".")),
    st.binary(max_size=2000),
    max_size=4,
)


@settings(max_examples=40, deadline=None)  # a busy disk
@given(st.lists(st.tuples(files, st.booleans()), max_size=8))
def test_what_stands_there_is_what_was_last_completed(attempts):
    with TemporaryDirectory() as scratch:
        path, standing = Path(scratch) / "some" / "target", None
        for files, succeeds in attempts:
            with suppress(RuntimeError), replaced_folder(path) as folder:
                fill(folder, files)
                if not succeeds:
                    raise RuntimeError
                standing = files
            assert content(path) == standing
            assert not beside(path)
