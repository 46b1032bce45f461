"""Files on a local disk that appear whole or not at all, and outlive a power cut."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PARTIAL = ".partial"
"""Ends the name of what is being written."""


def sync(*paths: Path) -> None:
    """Let files and folders survive a power cut from now on."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def partial_path(path: Path) -> Path:
    """Where something is written before it is put in place."""
    return path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}{PARTIAL}")


@contextmanager
def all_or_nothing(path: Path) -> Iterator[None]:
    """Remove what was being written under a path if that fails, as far as its disk lets us."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        raise
