"""Where a case runs, and what no case may do there."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from doge_ray.command import explained
from doge_ray.errors import InputError
from doge_ray.redact import redacted

T = TypeVar("T")

SECONDS = 30  # of one case, on a slow machine


_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link"}
_CHANGES |= {"os.truncate", "os.chmod", "os.chown", "shutil.rmtree", "tempfile.mkdtemp"}
_NEVER = {"pickle.find_class", "subprocess.Popen", "os.system", "os.posix_spawn", "os.exec"}
_NEVER |= {"socket.connect", "socket.getaddrinfo"}


class Forbidden(BaseException):
    """Something that no input may cause; nothing that is fuzzed may swallow it."""


class _Guard:
    """Python's audit events of the case that runs: a hook cannot be taken away again."""

    folder: Path | None = None
    seen: list[str]

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event in _NEVER:
            self.seen.append(f"{event} {arguments[:2]}")
        elif event in _CHANGES or (event == "open" and _is_write(*arguments)):
            places = arguments[1:2] if event in ("os.link", "os.symlink") else arguments[:2]
            self.seen += [f"{event} {path}" for path in places if self._is_outside(path)]

    def _is_outside(self, path: Any) -> bool:
        if not isinstance(path, str | bytes | os.PathLike) or self.folder is None:
            return False
        place = os.path.realpath(os.fsdecode(path))
        harmless = place == os.devnull or "__pycache__" in place
        return not harmless and not Path(place).is_relative_to(self.folder)


def _is_write(path: Any, mode: str | None, flags: int) -> bool:
    return (
        bool(flags & (os.O_WRONLY | os.O_RDWR)) if mode is None else bool(set(mode) & set("wax+"))
    )


_guard = _Guard()
sys.addaudithook(_guard.hook)


@contextmanager
def boxed() -> Iterator[Path]:
    """An empty folder inside another one; both, and the time, are watched.

    Raises:
        Forbidden: the case wrote outside, did what no input may cause, or did not end.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as outer:
        work = Path(outer).resolve() / "work"
        work.mkdir()
        (work.parent / "published.json").write_text('{"files": "work"}')
        before, here = _listing(work.parent), Path.cwd()
        signal.signal(signal.SIGALRM, _too_long)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        os.chdir(work)
        _guard.folder, _guard.seen = work, []
        try:
            yield work
        finally:
            _guard.folder = None
            os.chdir(here)
            signal.setitimer(signal.ITIMER_REAL, 0)
        if _guard.seen or _listing(work.parent) != before:
            raise Forbidden(f"outside of {work}: {_guard.seen or _listing(work.parent)}")


def answer(read: Callable[[], T], *places: str) -> T | None:
    """What ``read`` returns; None where it was refused with a message that names the place."""
    try:
        return read()
    except InputError as error:
        message = explained(error)
    shown = [name for place in places for name in (place, redacted(place))]
    assert any(name in message for name in shown), f"names no place: {message}"
    return None


def _listing(folder: Path) -> dict[str, int]:
    """What stands beside the working folder."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}


def _too_long(*_: Any) -> None:
    raise Forbidden(f"more than {SECONDS} seconds")
