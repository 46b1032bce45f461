"""A folder on any pyarrow filesystem, with files that appear whole or not at all."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pyarrow import fs

from doge_ray.config.places import absolute, check_storage
from doge_ray.engine.store.copies import local_copy
from doge_ray.engine.store.disk import PARTIAL, all_or_nothing, partial_path, sync
from doge_ray.engine.store.patience import patient
from doge_ray.errors import InputError

_LOCAL = fs.LocalFileSystem()


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
    def _place(self) -> tuple[fs.FileSystem, str]:
        if "://" not in self.root:
            return _LOCAL, self.root
        try:
            # Where a bucket's region is not named, this asks the network: it may be refused too.
            filesystem, path = fs.FileSystem.from_uri(self.root)
            if not path.strip("/"):
                raise ValueError("it names no folder")
        except ValueError as error:
            raise InputError(
                f"storage={self.root!r} is no place that can be opened: {error}; name a folder, or "
                "a URI such as s3://BUCKET/FOLDER"
            ) from None
        return filesystem, path.rstrip("/")

    def below(self, name: str) -> str:
        """The root of a folder inside this one; a URI keeps its query."""
        if "://" not in self.root:
            return f"{self.root}/{name}"
        place, mark, query = self.root.partition("?")
        return f"{place.rstrip('/')}/{name}{mark}{query}"

    @property
    def is_local(self) -> bool:
        """Whether the files lie in a folder of this machine (or one mounted into it)."""
        return "://" not in self.root or self.root.startswith("file://")

    @property
    def abandoned_after(self) -> float:
        """Seconds without a change after which nobody is still writing a file.

        One sweep at a time writes to a folder, and without long pauses. A bucket has no lock, and
        shows no file before the last byte of it has come.
        """
        return 60.0 if self.is_local else 3600.0

    def check_reachable(self) -> None:
        """Look at the root, without patience.

        Raises:
            InputError: it does not answer; says why.
        """
        try:
            filesystem, root = self._place
            filesystem.get_file_info(root)
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
        """Keep other sweeps out; the lock of a killed one is free. URIs cannot be locked.

        Raises:
            InputError: another sweep runs in this storage.
        """
        if not self.is_local:
            yield
            return
        lock = self._lock()
        try:
            yield
        finally:
            lock.release()

    @patient
    def read_text(self, path: str) -> str | None:
        """A small file; None where there is none."""
        filesystem, root = self._place
        try:
            with filesystem.open_input_stream(f"{root}/{path}") as stream:
                return bytes(stream.read()).decode()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_record(self, path: str) -> dict[str, Any] | None:
        """A small file with a JSON object; None where there is none, or a damaged one."""
        try:
            record = json.loads(self.read_text(path) or "null")
        except (ValueError, RecursionError):
            return None
        return record if isinstance(record, dict) else None

    @patient
    def has(self, path: str) -> bool:
        """Whether there is a file."""
        filesystem, root = self._place
        return bool(filesystem.get_file_info(f"{root}/{path}").type == fs.FileType.File)

    def write_text(self, path: str, text: str) -> None:
        """Put a small text file in place in one step."""
        self.write_bytes(path, text.encode())

    @patient
    def write_bytes(self, path: str, data: bytes) -> None:
        """Put a small file in place in one step."""
        self._write(path, data)

    @patient
    def list(self, folder: str) -> list[str]:
        """Sorted names in a folder; empty where there is none."""
        filesystem, root = self._place
        selector = fs.FileSelector(f"{root}/{folder}", allow_not_found=True)
        return sorted(info.base_name for info in filesystem.get_file_info(selector))

    @patient
    def idle(self, folder: str) -> dict[str, float]:
        """Seconds since each file below a folder last changed, by path; by the storage's clock."""
        filesystem, root = self._place
        now = self._probe()
        place = f"{root}/{folder}".rstrip("/")
        selector = fs.FileSelector(place, recursive=True, allow_not_found=True)
        return {
            info.path.removeprefix(f"{root}/"): now - info.mtime.timestamp()
            for info in filesystem.get_file_info(selector)
            if info.mtime is not None  # folders of an object store have none
        }

    def discard_partials(self, folder: str, age: float | None = None) -> None:
        """Delete what killed processes were about to put in place below a folder."""
        age = self.abandoned_after if age is None else age
        for path, idle in self.idle(folder).items():
            if path.endswith(PARTIAL) and idle >= age:
                self.delete(path)

    @patient
    def delete(self, path: str) -> None:
        """Remove a file or a folder, if it is there."""
        filesystem, root = self._place
        info = filesystem.get_file_info(f"{root}/{path}")
        if info.type == fs.FileType.Directory:
            filesystem.delete_dir(info.path)
        elif info.type == fs.FileType.File:
            filesystem.delete_file(info.path)

    @patient
    def put_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Let ``write`` fill an empty local folder, and keep it under ``path``."""
        if self.is_local:
            folder = Path(self._place[1]) / path
            folder.mkdir(parents=True, exist_ok=True)
            with all_or_nothing(folder):
                write(folder)
                sync(*folder.rglob("*"), folder, folder.parent)
            return
        with tempfile.TemporaryDirectory() as scratch:
            write(Path(scratch))
            self._upload(scratch, path)

    @patient
    def replace_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Like ``put_folder``, in place of what stands there."""
        if self.is_local:
            target = Path(self._place[1]) / path
            partial = partial_path(target)
            partial.mkdir(parents=True)
            with all_or_nothing(partial):
                write(partial)
                sync(*partial.rglob("*"), partial)
                self.delete(path)
                partial.rename(target)
            return
        with tempfile.TemporaryDirectory() as scratch:
            write(Path(scratch))
            self.delete(path)
            self._upload(scratch, path)

    @patient
    def local_folder(self, path: str) -> Path:
        """A local, read-only copy of a folder that never changes; copied once per node."""
        if self.is_local:
            return Path(self._place[1]) / path
        return local_copy(path, lambda folder: self._download(path, folder))

    @patient
    def _lock(self) -> FileLock:
        Path(self._place[1]).mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self._place[1]}/.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(
                f"another sweep runs in {self.root!r}; wait for it, or give this one a storage of "
                "its own with storage=FOLDER"
            ) from None
        return lock

    def _probe(self) -> float:
        """Write and remove a file; returns what time it was in the storage."""
        filesystem, root = self._place
        probe = f".probe-{uuid.uuid4().hex}"
        self._write(probe, b"?")  # a full disk still takes an empty file
        info = filesystem.get_file_info(f"{root}/{probe}")
        filesystem.delete_file(info.path)
        return info.mtime.timestamp()

    def _write(self, path: str, data: bytes) -> None:
        # Object stores show an object once it is complete; elsewhere a rename does the same.
        if self.is_local:
            target = Path(self._place[1]) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = partial_path(target)
            with all_or_nothing(partial):
                partial.write_bytes(data)
                sync(partial)
                partial.replace(target)
                sync(target.parent)
            return
        with tempfile.NamedTemporaryFile() as scratch:
            scratch.write(data)
            scratch.flush()
            self._upload(scratch.name, path)

    def _upload(self, source: str, path: str) -> None:
        filesystem, root = self._place
        target = f"{root}/{path}"
        filesystem.create_dir(target if Path(source).is_dir() else target.rpartition("/")[0])
        # Never a stream of ours: closed after an error, it would complete a cut-off object.
        fs.copy_files(source, target, source_filesystem=_LOCAL, destination_filesystem=filesystem)

    def _download(self, path: str, folder: Path) -> None:
        filesystem, root = self._place
        fs.copy_files(
            f"{root}/{path}",
            str(folder),
            source_filesystem=filesystem,
            destination_filesystem=_LOCAL,
        )
