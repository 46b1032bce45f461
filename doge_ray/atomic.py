"""Files and folders that appear whole or not at all, and outlive a power cut.

Each is written beside its place under a name of its own, brought to the disk, and renamed. What a
killed process leaves behind ends in ``PARTIAL``.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path

PARTIAL = ".partial"
"""Ends the name of what is being written."""


def write_file(path: Path, content: bytes) -> None:
    """Write a file, in place of an older one; the folders it lies in are made.

    Raises:
        OSError: the disk refuses; the old one stands there, or already the new one.
    """
    with _partial(path) as partial:
        partial.write_bytes(content)
        _sync(partial)
        partial.replace(path)
        _sync(path.parent)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes ``path`` when the block ends.

    For a name that says what is in it: where another process was faster, its folder stays.

    Raises:
        OSError: the disk refuses; nothing stands there, or already all of it.
    """
    with _partial(path) as partial:
        partial.mkdir()
        yield partial
        _sync(*partial.rglob("*"), partial)
        try:
            partial.rename(path)
        except OSError:
            if not path.exists():
                raise
            shutil.rmtree(partial)
        _sync(path.parent)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of what is at ``path`` when the block ends.

    No call exchanges two folders at once: killed between two renames, a process leaves both of
    them beside the name.

    Raises:
        OSError: the disk refuses; the old one stands there, or already the new one.
    """
    with _partial(path) as partial:
        partial.mkdir()
        yield partial
        _sync(*partial.rglob("*"), partial)
        with _set_aside(path):
            partial.rename(path)
        _sync(path.parent)


@contextmanager
def _partial(path: Path) -> Iterator[Path]:
    """Where something is written; removed if that fails, as far as its disk lets us."""
    made = list(takewhile(lambda folder: not folder.exists(), path.parents))
    path.parent.mkdir(parents=True, exist_ok=True)
    _sync(*(folder.parent for folder in made))
    partial = _beside(path)
    try:
        yield partial
    except BaseException:
        with suppress(OSError):
            _remove(partial)
        raise


@contextmanager
def _set_aside(path: Path) -> Iterator[None]:
    """Have nothing at a path; what was there is removed in the end, or comes back if that fails."""
    old = _beside(path)
    with suppress(FileNotFoundError):
        path.rename(old)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            old.rename(path)
        raise
    with suppress(OSError):  # the new one stands: what is left of the old one is in nobody's way
        _remove(old)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{PARTIAL}")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _sync(*paths: Path) -> None:
    """Let files and folders survive a power cut from now on."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
