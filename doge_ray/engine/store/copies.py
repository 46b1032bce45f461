"""Copies of a remote store's folders on this node's disk.

A folder never changes under its name, so a copy is never outdated.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from doge_ray.atomic import new_folder
from doge_ray.domains.cache import cache_folder

UNUSED = 3600.0
"""Seconds that a copy is kept after it was last asked for."""


def local_copy(name: str, download: Callable[[Path], None]) -> Path:
    """The copy of a folder; where there is none, ``download`` fills an empty folder.

    All processes of a node share it and see it whole or not at all. Those that nobody asked for
    any more make room when a new one is made.
    """
    copies = cache_folder() / "store"
    target = copies / name.replace("/", "-")
    with suppress(FileNotFoundError):
        os.utime(target)
        return target
    copies.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=copies) as scratch:
        _move_unused(copies, Path(scratch))
    with new_folder(target) as copy:
        download(copy)
    return target


def _move_unused(copies: Path, away: Path) -> None:
    """A folder is moved before it is deleted: no process may find the half of it."""
    for copy in copies.iterdir():
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - copy.stat().st_mtime > UNUSED:
                copy.rename(away / copy.name)
