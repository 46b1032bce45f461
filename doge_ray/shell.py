"""Command lines that run as they are printed, in the shell that they are printed to."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def command_line(program: str, *arguments: str) -> str:
    """A line to copy: the program as it is found from here, every word quoted where it must be.

    Args:
        program: one of this environment, such as ``mlflow`` or ``doge-ray``.
        arguments: its words.
    """
    return shlex.join([_program(program), *arguments])


def quoted(place: str) -> str:
    """A path or URI as one word of a shell."""
    return shlex.quote(place)


def called(module: str) -> str:
    """How one of the project's commands was called: by the console script, or as a module."""
    started = Path(sys.argv[0]).name
    if started.startswith("doge-ray"):
        return f"doge-ray {module}"
    return f"python -m doge_ray{' ' if started == '__main__.py' else '.'}{module}"


def _program(name: str) -> str:
    """The name alone where PATH leads to this environment's; else its path, from here if short."""
    own = Path(sys.executable).parent / name
    found = shutil.which(name)
    if not own.is_file() or (found is not None and Path(found).resolve() == own.resolve()):
        return name
    here = Path.cwd()
    return str(own.relative_to(here)) if here in own.parent.parents else str(own)
