"""A folder on any pyarrow filesystem, with files that appear whole or not at all."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from filelock import Timeout
from pyarrow import fs

from doge_ray.atomic import PARTIAL
from doge_ray.config.places import absolute, check_storage
from doge_ray.engine.store.backends import Backend, backend_of
from doge_ray.engine.store.patience import patient
from doge_ray.errors import InputError


class Stamp(NamedTuple):
    """What a listing tells of a file: bytes, and nanoseconds since 1970 of its last change."""

    size: int
    changed: int


class Storage:
    """Files below ``root``: a local folder, or a URI such as ``s3://bucket/runs``.

    Instances travel between processes; each opens the filesystem for itself. What the storage
    refuses is tried again for minutes, and ends in a ``SweepError``.

    Raises:
        InputError: ``root`` can be no place, or holds a password or key.
    """

    patience = 300.0
    """Seconds after which an operation that is refused again and again fails."""

    def __init__(self, root: str) -> None:
        try:
            check_storage(root)
        except ValueError as error:
            raise InputError(f"storage: {error}") from None
        self.root = root if "://" in root else str(absolute(root))

    def __reduce__(self) -> tuple[type[Storage], tuple[str]]:
        return type(self), (self.root,)

    @cached_property
    def _backend(self) -> Backend:
        return backend_of(self.root)

    def below(self, name: str) -> str:
        """The root of a folder inside this one; a URI keeps its query."""
        if "://" not in self.root:
            return f"{self.root}/{name}"
        place, mark, query = self.root.partition("?")
        return f"{place.rstrip('/')}/{name}{mark}{query}"

    def lies_in(self, folder: Path) -> bool:
        """Whether its files are below a folder of this machine, and so go with it."""
        return self._backend.holds(folder)

    def check_reachable(self) -> None:
        """Look at the root, without patience.

        Raises:
            InputError: it does not answer; says why.
        """
        try:
            self._backend.filesystem.get_file_info(self._backend.path)
        except OSError as error:
            raise InputError(
                f"storage={self.root!r} cannot be read: {error}; look for a slip in its name, or "
                "mend its permissions"
            ) from None

    def check_writable(self) -> None:
        """Write and remove a file under the root, without patience.

        Raises:
            InputError: it can't be written; says why.
        """
        try:
            self._probe()
        except (OSError, ValueError) as error:
            raise InputError(
                f"storage={self.root!r} cannot be written: {error}; "
                "choose another place with storage=FOLDER, or mend its permissions"
            ) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other sweeps out; the lock of a killed one is free, in a bucket after a minute.

        Raises:
            InputError: another sweep runs in this storage.
        """
        with self._lock():
            yield

    def read_text(self, path: str) -> str | None:
        """A small file; None where there is none."""
        data = self.read_bytes(path)
        return None if data is None else data.decode()

    @patient
    def read_bytes(self, path: str) -> bytes | None:
        """A small file; None where there is none."""
        filesystem, place = self._place(path)
        try:
            with filesystem.open_input_stream(place) as stream:
                return bytes(stream.read())
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_record(self, path: str) -> dict[str, Any] | None:
        """A small file with a JSON object; None where there is none, or a damaged one."""
        try:
            return parsed(self.read_text(path))
        except UnicodeDecodeError:
            return None

    @patient
    def has(self, path: str) -> bool:
        """Whether there is a file."""
        filesystem, place = self._place(path)
        return bool(filesystem.get_file_info(place).type == fs.FileType.File)

    def write_text(self, path: str, text: str) -> None:
        """Put a small text file in place in one step."""
        self.write_bytes(path, text.encode())

    @patient
    def write_bytes(self, path: str, data: bytes) -> None:
        """Put a small file in place in one step."""
        self._backend.write(path, data)

    @patient
    def list(self, folder: str) -> list[str]:
        """Sorted names in a folder; empty where there is none."""
        filesystem, place = self._place(folder)
        selector = fs.FileSelector(place, allow_not_found=True)
        return sorted(info.base_name for info in filesystem.get_file_info(selector))

    @patient
    def stamps(self, folder: str) -> dict[str, Stamp]:
        """The stamp of each file below a folder, by path."""
        filesystem, place = self._place(folder)
        root = place.removesuffix(folder)
        selector = fs.FileSelector(place.rstrip("/"), recursive=True, allow_not_found=True)
        return {
            info.path.removeprefix(root): Stamp(info.size or 0, info.mtime_ns)
            for info in filesystem.get_file_info(selector)
            if info.mtime_ns is not None  # folders of an object store have none
        }

    @patient
    def idle(self, folder: str) -> dict[str, float]:
        """Seconds since each file below a folder last changed, by path; by the storage's clock."""
        now = self._probe()
        return {path: (now - stamp.changed) / 1e9 for path, stamp in self.stamps(folder).items()}

    def discard_partials(self, folder: str, age: float | None = None) -> None:
        """Delete what killed processes were about to put in place below a folder."""
        age = self._backend.abandoned_after if age is None else age
        for path, idle in self.idle(folder).items():
            if path.endswith(PARTIAL) and idle >= age:
                self.delete(path)

    @patient
    def delete(self, path: str) -> None:
        """Remove a file or a folder, if it is there."""
        filesystem, place = self._place(path)
        info = filesystem.get_file_info(place)
        if info.type == fs.FileType.Directory:
            filesystem.delete_dir(info.path)
        elif info.type == fs.FileType.File:
            filesystem.delete_file(info.path)

    @patient
    def delete_folder(self, path: str) -> None:
        """Remove a folder, if it is there, without a question what it is."""
        filesystem, place = self._place(path)
        with suppress(FileNotFoundError):
            filesystem.delete_dir(place)

    @patient
    def put_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Let ``write`` fill an empty local folder, and keep it under ``path``."""
        self._backend.put_folder(path, write)

    @patient
    def replace_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Like ``put_folder``, in place of what stands there."""
        self._backend.replace_folder(path, write)

    @patient
    def local_folder(self, path: str) -> Path:
        """A local, read-only copy of a folder that never changes; copied once per node."""
        return self._backend.local_folder(path)

    @patient
    def _lock(self) -> AbstractContextManager[object]:
        try:
            return self._backend.lock()
        except Timeout:
            raise InputError(
                f"another sweep runs in {self.root!r}; wait for it, or give this one a storage of "
                "its own with storage=FOLDER"
            ) from None

    def _place(self, path: str) -> tuple[fs.FileSystem, str]:
        """The filesystem, and a path of this storage on it."""
        return self._backend.filesystem, f"{self._backend.path}/{path}"

    def _probe(self) -> int:
        """Write and remove a file; returns what time it was in the storage, in nanoseconds."""
        probe = f".probe-{uuid.uuid4().hex}"
        self._backend.write(probe, b"?")  # a full disk still takes an empty file
        filesystem, place = self._place(probe)
        info = filesystem.get_file_info(place)
        filesystem.delete_file(info.path)
        return int(info.mtime_ns)


def parsed(text: str | None) -> dict[str, Any] | None:
    """A small file's JSON object; None where there is none, or a damaged one."""
    try:
        record = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
