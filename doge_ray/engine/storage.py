"""A folder on any pyarrow filesystem, with files that appear whole or not at all."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout
from pyarrow import fs

from doge_ray.domains.cache import cache_folder
from doge_ray.errors import InputError

_LOCAL = fs.LocalFileSystem()


class Storage:
    """Files below ``root``: a local folder, or a URI such as ``s3://bucket/runs``.

    Instances travel between processes; each opens the filesystem for itself.
    """

    def __init__(self, root: str) -> None:
        self.root = root if "://" in root else str(Path(root).expanduser().absolute())

    def __reduce__(self) -> tuple[type[Storage], tuple[str]]:
        return type(self), (self.root,)

    @cached_property
    def _place(self) -> tuple[fs.FileSystem, str]:
        if "://" not in self.root:
            return _LOCAL, self.root
        try:
            filesystem, path = fs.FileSystem.from_uri(self.root)
            if not path.strip("/"):
                raise ValueError("it names no folder")
        except (OSError, ValueError) as error:
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
        return isinstance(self._place[0], fs.LocalFileSystem)

    def check_writable(self) -> None:
        """Write and remove a file under the root.

        Raises:
            InputError: it can't be written; says why.
        """
        probe = f".probe-{uuid.uuid4().hex}"
        try:
            self.write_text(probe, "")
            self.delete(probe)
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
        Path(self._place[1]).mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{self._place[1]}/.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise InputError(
                f"another sweep runs in {self.root!r}; wait for it, or give this one a storage of "
                "its own with storage=FOLDER"
            ) from None
        try:
            yield
        finally:
            lock.release()

    def read_text(self, path: str) -> str | None:
        """A small file; None where there is none."""
        filesystem, root = self._place
        try:
            with filesystem.open_input_stream(f"{root}/{path}") as stream:
                return bytes(stream.read()).decode()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def write_text(self, path: str, text: str) -> None:
        """Put a small text file in place in one step."""
        self.write_bytes(path, text.encode())

    def write_bytes(self, path: str, data: bytes) -> None:
        """Put a small file in place in one step."""
        filesystem, root = self._place
        target = f"{root}/{path}"
        filesystem.create_dir(target.rpartition("/")[0], recursive=True)
        # Object stores show an object once it is complete; elsewhere a rename does the same.
        partial = f"{target}.{uuid.uuid4().hex[:8]}.partial" if self.is_local else target
        with filesystem.open_output_stream(partial) as stream:
            stream.write(data)
        if partial != target:
            Path(partial).replace(target)

    def list(self, folder: str) -> list[str]:
        """Sorted names in a folder; empty where there is none."""
        filesystem, root = self._place
        selector = fs.FileSelector(f"{root}/{folder}", allow_not_found=True)
        return sorted(info.base_name for info in filesystem.get_file_info(selector))

    def delete(self, path: str) -> None:
        """Remove a file or a folder, if it is there."""
        filesystem, root = self._place
        info = filesystem.get_file_info(f"{root}/{path}")
        if info.type == fs.FileType.Directory:
            filesystem.delete_dir(info.path)
        elif info.type == fs.FileType.File:
            filesystem.delete_file(info.path)

    def put_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Let ``write`` fill an empty local folder, and keep it under ``path``."""
        if self.is_local:
            folder = Path(self._place[1]) / path
            folder.mkdir(parents=True)
            write(folder)
            return
        with tempfile.TemporaryDirectory() as scratch:
            write(Path(scratch))
            self._upload(scratch, path)

    def replace_folder(self, path: str, write: Callable[[Path], None]) -> None:
        """Like ``put_folder``, in place of what stands there."""
        if not self.is_local:
            with tempfile.TemporaryDirectory() as scratch:
                write(Path(scratch))
                self.delete(path)
                self._upload(scratch, path)
            return
        partial = f"{path}.{uuid.uuid4().hex[:8]}.partial"
        self.put_folder(partial, write)
        self.delete(path)
        root = Path(self._place[1])
        (root / partial).rename(root / path)

    def _upload(self, folder: str, path: str) -> None:
        filesystem, root = self._place
        filesystem.create_dir(f"{root}/{path}", recursive=True)
        fs.copy_files(
            folder, f"{root}/{path}", source_filesystem=_LOCAL, destination_filesystem=filesystem
        )

    def local_folder(self, path: str) -> Path:
        """A local, read-only copy of a folder that never changes; copied once per node."""
        filesystem, root = self._place
        if self.is_local:
            return Path(root) / path
        target = cache_folder() / "store" / path
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                copy = Path(scratch) / "copy"
                copy.mkdir()
                fs.copy_files(
                    f"{root}/{path}",
                    str(copy),
                    source_filesystem=filesystem,
                    destination_filesystem=_LOCAL,
                )
                if not target.exists():
                    copy.rename(target)
        return target
