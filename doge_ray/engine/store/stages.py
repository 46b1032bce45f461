"""The stage store: results by identity.

A stage is named by the hash of everything that determines its result. Its folder holds

    published.json     {"inputs", "result", "files"}: the stage is finished; written last
    snapshot.json      {"inputs", "result", "files"}: where an unfinished training can go on
    files-<random>/    what one of the two points to

so a reader sees a whole stage or none, whatever was killed when. What a killed process left is
deleted when a sweep starts, and when one ends.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from doge_ray.engine.store.forms import is_whole
from doge_ray.engine.store.storage import Storage

_FILES = re.compile(r"files-[0-9a-f]{12}")
Slot = Literal["published", "snapshot"]
_SLOTS: tuple[Slot, ...] = ("published", "snapshot")


@dataclass(frozen=True)
class Stage:
    """A kind of work and all that determines its result, as JSON values."""

    kind: str
    inputs: Mapping[str, Any]

    @cached_property
    def digest(self) -> str:
        """Hash of kind and inputs; the order of the inputs does not matter."""
        text = json.dumps([self.kind, self.inputs], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def path(self) -> str:
        """Folder below the store's root."""
        return f"{self.kind}/{self.digest}"


class StageStore(Storage):
    """Published stages and snapshots of running ones."""

    @cached_property
    def _results(self) -> dict[str, dict[str, Any]]:
        """Published results that this process has read, but for those it has itself replaced."""
        return {}

    def result(self, stage: Stage, slot: Slot = "published") -> dict[str, Any] | None:
        """The JSON result of a stage; None where it is not published (or has no snapshot)."""
        if slot == "published" and stage.path in self._results:
            return self._results[stage.path]
        record = self._record(stage.path, slot)
        if record is None:
            return None
        result: dict[str, Any] = record["result"]
        if slot == "published":
            self._results[stage.path] = result
        return result

    def renew(self, stage: Stage) -> bool:
        """Read a result anew, since another process has published it; whether it has changed.

        A training whose files were dropped runs again where its model is needed after all.
        """
        known = self._results.pop(stage.path, None)
        return known is not None and known != self.result(stage)

    def has_files(self, stage: Stage) -> bool:
        """Whether a stage is published and its files are still there."""
        record = self._record(stage.path, "published")
        return record is not None and record["files"] is not None

    def files(self, stage: Stage, slot: Slot = "published") -> Path:
        """A local, read-only folder with the files of a stage."""
        record = self._record(stage.path, slot)
        if record is None or record["files"] is None:
            raise FileNotFoundError(f"{self.root}/{stage.path} holds no files")
        return self.local_folder(f"{stage.path}/{record['files']}")

    def put(
        self,
        stage: Stage,
        result: Mapping[str, Any],
        write: Callable[[Path], None] | None = None,
        slot: Slot = "published",
    ) -> None:
        """Publish a stage, or replace its snapshot.

        Args:
            stage: whose result it is.
            result: JSON values.
            write: called with an empty local folder, to put the stage's files there.
            slot: a published stage keeps no snapshot.
        """
        earlier = [self._record(stage.path, name) for name in _SLOTS]
        if slot == "snapshot" and earlier[0] is not None and earlier[0]["files"] is not None:
            return  # another process was faster
        files = None if write is None else f"files-{uuid.uuid4().hex[:12]}"
        if write is not None:
            self.put_folder(f"{stage.path}/{files}", write)
        self._point(
            stage.path, slot, {"inputs": dict(stage.inputs), "result": result, "files": files}
        )
        if slot == "published":
            self._results.pop(stage.path, None)
            self.delete(f"{stage.path}/snapshot.json")
        # Other folders may be what another process is about to publish.
        for record in earlier:
            if record is not None and record["files"] is not None:
                self.delete(f"{stage.path}/{record['files']}")

    def discard_files(self, path: str) -> None:
        """Keep the result of the published stage at a path, delete its files."""
        record = self._record(path, "published")
        if record is not None and record["files"] is not None:
            self._point(path, "published", record | {"files": None})
            for name in self.list(path):
                if name != "published.json":
                    self.delete(f"{path}/{name}")

    def discard_unpublished(self, stage: Stage) -> None:
        """Forget how far an unfinished stage got."""
        if self._record(stage.path, "published") is None:
            self.delete(stage.path)

    def discard_orphans(self, age: float | None = None) -> None:
        """Delete what killed processes left: files that no record points to.

        Args:
            age: seconds; younger files may be what a process is about to publish. Default:
                as the backend says.
        """
        age = self._backend.abandoned_after if age is None else age
        youngest: dict[tuple[str, str], float] = {}
        for path, idle in self.idle("").items():
            kind, digest, name = (*path.split("/"), "", "")[:3]
            if name and not name.endswith(".json"):
                key = f"{kind}/{digest}", name
                youngest[key] = min(idle, youngest.get(key, idle))
        for (stage, name), idle in youngest.items():
            if idle >= age and name not in self._files(stage):
                self.delete(f"{stage}/{name}")
                if not self.list(stage):
                    self.delete(stage)

    def _files(self, path: str) -> set[str | None]:
        """The folders that the records at a path point to."""
        records = [self._record(path, slot) for slot in _SLOTS]
        return {record["files"] for record in records if record is not None}

    def _record(self, path: str, slot: Slot) -> dict[str, Any] | None:
        """What one of the two files says; a damaged one counts as not there.

        Its stage is computed again then, and nothing outside of the stage's folder is touched.
        """
        record = self.read_record(f"{path}/{slot}.json")
        if record is None or not {"inputs", "result", "files"} <= record.keys():
            return None
        files, kind = record["files"], path.partition("/")[0]
        whole = slot == "snapshot" or is_whole(kind, record["result"])
        named = files is None or (isinstance(files, str) and _FILES.fullmatch(files))
        return record if whole and named else None

    def _point(self, path: str, slot: Slot, record: Mapping[str, Any]) -> None:
        self.write_text(f"{path}/{slot}.json", json.dumps(record, indent=1))
