"""A local folder or a bucket: how each keeps files so that they appear whole or not at all."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path

from filelock import FileLock
from pyarrow import fs

from doge_ray.atomic import new_folder, replaced_folder, write_file
from doge_ray.engine.store.copies import local_copy
from doge_ray.engine.store.lease import Lease
from doge_ray.errors import InputError

_LOCAL = fs.LocalFileSystem()
_SMALL = 4 * 2**20  # bytes
_WITHOUT_FOLDERS = ("s3", "gcs", "abfs")


class Backend(ABC):
    """A folder on a pyarrow filesystem, opened when it is first used.

    Args:
        name: a local folder, or a URI.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def filesystem(self) -> fs.FileSystem:
        """What pyarrow reads and writes it by.

        Raises:
            InputError: the name can be no place.
        """
        return self._opened[0]

    @property
    def path(self) -> str:
        """Its path on ``filesystem``; all paths that a backend is given are relative to it."""
        return self._opened[1]

    @cached_property
    def _opened(self) -> tuple[fs.FileSystem, str]:
        if "://" not in self.name:
            return _LOCAL, self.name
        try:
            # Where a bucket's region is not named, this asks the network: it may be refused too.
            filesystem, path = fs.FileSystem.from_uri(self.name)
            if not path.strip("/"):
                raise ValueError("it names no folder")
        except ValueError as error:
            raise InputError(
                f"storage={self.name!r} is no place that can be opened: {error}; name a folder, or "
                "a URI such as s3://BUCKET/FOLDER"
            ) from None
        return filesystem, path.rstrip("/")

    @property
    @abstractmethod
    def abandoned_after(self) -> float:
        """Seconds without a change after which nobody is still writing a file."""

    @abstractmethod
    def write(self, path: str, data: bytes) -> None:
        """Put a small file in place in one step."""

    @abstractmethod
    def put_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Let ``write`` fill an empty local folder, and keep it under a path that is free."""

    @abstractmethod
    def replace_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Like ``put_folder``, in place of what stands there."""

    @abstractmethod
    def local_folder(self, path: str) -> Path:
        """A local, read-only folder with the content of one that never changes."""

    @abstractmethod
    def lock(self) -> AbstractContextManager[object]:
        """Keep other sweeps out as long as it is entered.

        Raises:
            filelock.Timeout: another one is in.
        """

    def holds(self, path: Path) -> bool:
        """Whether a local path is its own folder, or one that it lies in."""
        return False


class Folder(Backend):
    """A folder of this machine, or one that is mounted into it."""

    @property
    def abandoned_after(self) -> float:
        """A minute: one sweep at a time writes to it, and without long pauses."""
        return 60.0

    def write(self, path: str, data: bytes) -> None:
        """Write beside it and rename."""
        write_file(self._at(path), data)

    def put_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Fill a folder beside it and rename."""
        with new_folder(self._at(path)) as folder:
            write(folder)

    def replace_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Fill a folder beside it, and exchange the two."""
        with replaced_folder(self._at(path)) as folder:
            write(folder)

    def local_folder(self, path: str) -> Path:
        """The folder itself."""
        return self._at(path)

    def lock(self) -> AbstractContextManager[object]:
        """A lock on a file, which is free once its process has ended."""
        self._at("").mkdir(parents=True, exist_ok=True)
        lock: AbstractContextManager[object] = FileLock(self._at(".lock"), timeout=0).acquire()
        return lock

    def holds(self, path: Path) -> bool:
        """Whether it lies in ``path``, and so goes with it."""
        return self._at("").is_relative_to(path)

    def _at(self, path: str) -> Path:
        return Path(self.path) / path


class Bucket(Backend):
    """An object store, which shows no object before the last byte of it has come."""

    @property
    def abandoned_after(self) -> float:
        """An hour: what is uploaded shows no change until all of it has come."""
        return 3600.0

    def write(self, path: str, data: bytes) -> None:
        """Upload a copy."""
        with tempfile.NamedTemporaryFile() as scratch:
            scratch.write(data)
            scratch.flush()
            self._upload(Path(scratch.name), path)

    def put_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Fill a temporary folder and upload it."""
        with tempfile.TemporaryDirectory() as scratch:
            write(Path(scratch))
            self._upload(Path(scratch), path)

    def replace_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Fill a temporary folder, delete what stood there, and upload it."""
        with tempfile.TemporaryDirectory() as scratch:
            write(Path(scratch))
            if self.filesystem.get_file_info(self._at(path)).type == fs.FileType.Directory:
                self.filesystem.delete_dir(self._at(path))
            self._upload(Path(scratch), path)

    def local_folder(self, path: str) -> Path:
        """A copy, made once per node."""
        return local_copy(path, lambda folder: self._download(path, folder))

    def lock(self) -> AbstractContextManager[object]:
        """A lease, which runs out when its holder has died."""
        return Lease(self).acquire()

    def _at(self, path: str) -> str:
        return f"{self.path}/{path}"

    def _upload(self, source: Path, path: str) -> None:
        """File by file; where an object needs no folder, making one would cost requests."""
        files = [source] if source.is_file() else filter(Path.is_file, source.rglob("*"))
        for file in files:
            name = "" if file == source else f"/{file.relative_to(source).as_posix()}"
            if self.filesystem.type_name not in _WITHOUT_FOLDERS:
                self.filesystem.create_dir(f"{self._at(path)}{name}".rpartition("/")[0])
            self._put(file, f"{self._at(path)}{name}")

    def _put(self, file: Path, target: str) -> None:
        """A small file is one write: there is all of it or none. Longer ones pyarrow cuts up."""
        if file.stat().st_size <= _SMALL:
            data = file.read_bytes()
            stream = self._at_once.open_output_stream(target)
            stream.write(data)
            stream.close()  # sends it; copy_files would pass over an error here
            return
        # Never a stream of ours: closed after an error, it would complete a cut-off object.
        fs.copy_files(
            str(file), target, source_filesystem=_LOCAL, destination_filesystem=self.filesystem
        )

    @cached_property
    def _at_once(self) -> fs.FileSystem:
        """The same, where small objects are put in one request, not begun, filled and completed."""
        if self.filesystem.type_name != "s3":
            return self.filesystem
        mark = "&" if "?" in self.name else "?"
        return fs.FileSystem.from_uri(f"{self.name}{mark}allow_delayed_open=true")[0]

    def _download(self, path: str, folder: Path) -> None:
        fs.copy_files(
            self._at(path),
            str(folder),
            source_filesystem=self.filesystem,
            destination_filesystem=_LOCAL,
        )


def backend_of(name: str) -> Backend:
    """The folder or bucket that a storage names, without opening it."""
    is_folder = "://" not in name or name.startswith("file://")
    return Folder(name) if is_folder else Bucket(name)
