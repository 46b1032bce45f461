"""The folder of somebody who has just run ``make quickstart``: one for all of a test run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.docs.readme import make_folder
from tests.engine.project import ROOT, environment


@dataclass(frozen=True)
class Quickstart:
    """A folder with the environment and the results of ``make quickstart``, and what it printed."""

    folder: Path
    printed: str


def checked_out(place: Path) -> Path:
    """The folder before anything ran in it; made by the process that comes first."""
    folder = place / "a checkout"
    with alone(place):
        if not (folder / ".venv").exists():  # which comes last
            make_folder(folder)
            (folder / "DIR").symlink_to(folder / "ontonotes")
            (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    return folder


def swept(folder: Path) -> Quickstart:
    """The same with the quickstart's results, being told of them in a roundabout way.

    Whoever asks is alone in the folder.
    """
    printed = folder / "printed.txt"
    if not printed.exists():
        line = "python -m doge_ray.sweep quickstart storage=sweeps/../runs"
        printed.write_text(in_shell(line, folder))
    return Quickstart(folder, printed.read_text())


def in_shell(line: str, folder: Path) -> str:
    """What a line prints in a shell of that folder, with the environment activated."""
    paths = {"PATH": f"{folder}/.venv/bin:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment() | paths,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep other processes of the test run from a folder."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
