"""The stage store: results by identity.

A stage is named by the hash of everything that determines its result. Its folder holds

    published.json     {"inputs", "result", "files"}: the stage is finished; written last
    snapshot.json      {"inputs", "result", "files"}: where an unfinished training can go on
    files-<random>/    what one of the two points to

so a reader sees a whole stage or none, whatever was killed when. What a killed process left is
deleted when a sweep starts, and when one ends. Beside the stages lies ``index.parquet``, from
which thousands of results are read in one go.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from doge_ray.engine.store.forms import is_whole
from doge_ray.engine.store.index import read_all
from doge_ray.engine.store.storage import Storage, parsed

INDEX = "index.parquet"
_PUBLISHED = "/published.json"
_LASTING = ("encoding/", "initial/", "scoring/")
"""Kinds of stages whose files are never dropped."""
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
    """Published stages and snapshots of running ones.

    What a process has read or published it does not ask for again. Others may take a training's
    files away, so these are asked for; not so by one that has surveyed the store, as the driver
    does: it is the only one to take files away, and is told of what others publish. A process has
    one store for each root, and ``forget``s what may have changed before it does other work.
    """

    _is_surveyed = False

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _own_store, (self.root,)

    @cached_property
    def _found(self) -> dict[str, str]:
        """By path, what a survey found and nobody has asked for yet."""
        return {}

    @cached_property
    def _known(self) -> dict[str, dict[str, Any]]:
        """By path, the records of published stages that this process has read or written."""
        return {}

    @cached_property
    def _snapshots(self) -> dict[str, str]:
        """By path, the folders of snapshots that this process has read or written."""
        return {}

    @cached_property
    def _touched(self) -> set[str]:
        """Paths at which a survey found anything, or at which work was begun since."""
        return set()

    @cached_property
    def _new(self) -> set[str]:
        """Paths at which there was nothing before this process began."""
        return set()

    @cached_property
    def _own(self) -> set[str]:
        """Paths of what this process has published."""
        return set()

    def survey(self) -> None:
        """Find out in one go what is published; of what others publish later it must ``learn``."""
        stamps = self.stamps("")
        records = {path: stamp for path, stamp in stamps.items() if path.endswith(_PUBLISHED)}
        self.forget()
        for path, text in read_all(self, records, INDEX).items():
            self._found[path.removesuffix(_PUBLISHED)] = text
        self._touched.update("/".join(path.split("/")[:2]) for path in stamps)
        self._is_surveyed = True

    def forget(self) -> None:
        """Know nothing but what never changes."""
        lasting = {p: record for p, record in self._known.items() if p.startswith(_LASTING)}
        for known in (self._found, self._known, self._snapshots):
            known.clear()
        for paths in (self._touched, self._own, self._new):
            paths.clear()
        self._known.update(lasting)

    def begin(self, *stages: Stage) -> bool:
        """Note that stages are worked on; whether there was nothing at all of them before."""
        paths = {stage.path for stage in stages}
        is_new = self._is_surveyed and not paths & self._touched
        self._touched |= paths
        return is_new

    def result(self, stage: Stage, slot: Slot = "published") -> dict[str, Any] | None:
        """The JSON result of a stage; None where it is not published (or has no snapshot)."""
        known = self._remembered(stage.path) if slot == "published" else None
        record = known or self._record(stage.path, slot)
        return None if record is None else record["result"]

    def published(self, stage: Stage) -> dict[str, Any] | None:
        """The record of a published stage, for another process to ``learn``."""
        return self._remembered(stage.path) or self._record(stage.path, "published")

    def learn(self, records: Mapping[str, dict[str, Any]]) -> bool:
        """Take over what another process has published; whether a known result has changed.

        A training whose files were dropped runs again where its model is needed after all.

        Args:
            records: by the paths of their stages.
        """
        before = {path: self._remembered(path) for path in records}
        self._known.update(records)
        return any(
            known is not None and known["result"] != records[path]["result"]
            for path, known in before.items()
        )

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
        path = stage.path
        if slot == "snapshot" and self.has_files(stage):
            return  # another process was faster
        before = self._files_before(path)
        files = None if write is None else f"files-{uuid.uuid4().hex[:12]}"
        if write is not None:
            self.put_folder(f"{path}/{files}", write)
        self._point(path, slot, {"inputs": dict(stage.inputs), "result": result, "files": files})
        if slot == "published" and self._snapshots.pop(path, None) is not None:
            self.delete(f"{path}/snapshot.json")
        # Other folders may be what another process is about to publish.
        for name in before - {None}:
            self.delete_folder(f"{path}/{name}")

    def expect_nothing(self, *stages: Stage) -> None:
        """Take it that there is nothing of some stages; whoever gave the work has looked."""
        self._new.update(stage.path for stage in stages)

    def discard_files(self, path: str) -> None:
        """Keep the result of the published stage at a path, delete its files."""
        record = self._record(path, "published")
        if record is not None and record["files"] is not None:
            self._point(path, "published", record | {"files": None})
            self.delete_folder(f"{path}/{record['files']}")

    def discard_unpublished(self, stage: Stage) -> None:
        """Forget how far an unfinished stage got."""
        if self._read(stage.path, "published") is None:
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

    def _files_before(self, path: str) -> set[str | None]:
        """The folders that are in nobody's way once others have taken their place."""
        if path not in self._new and not self._is_surveyed:
            return self._files(path)
        return {(self._remembered(path) or {}).get("files"), self._snapshots.get(path)}

    def _files(self, path: str) -> set[str | None]:
        """The folders that the records at a path point to."""
        records = [self._read(path, slot) for slot in _SLOTS]
        return {record["files"] for record in records if record is not None}

    def _record(self, path: str, slot: Slot) -> dict[str, Any] | None:
        """What one of the two files says, as far as this process has to look."""
        if slot == "published":
            known, is_lasting = self._remembered(path), path.startswith(_LASTING)
            if self._is_surveyed or path in self._own or (known is not None and is_lasting):
                return known
        return self._read(path, slot)

    def _remembered(self, path: str) -> dict[str, Any] | None:
        """What this process knows of a published stage."""
        if path in self._found:
            record = _whole(path, "published", parsed(self._found.pop(path)))
            if record is not None:
                self._known[path] = record
        return self._known.get(path)

    def _read(self, path: str, slot: Slot) -> dict[str, Any] | None:
        record = _whole(path, slot, self.read_record(f"{path}/{slot}.json"))
        if record is not None:
            self._note(path, slot, record)
        return record

    def _note(self, path: str, slot: Slot, record: dict[str, Any]) -> None:
        if slot == "published":
            self._known[path] = record
        elif record["files"] is not None:
            self._snapshots[path] = record["files"]

    def _point(self, path: str, slot: Slot, record: dict[str, Any]) -> None:
        self.write_text(f"{path}/{slot}.json", json.dumps(record, indent=1))
        self._note(path, slot, record)
        if slot == "published":
            self._own.add(path)


@cache
def _own_store(root: str) -> StageStore:
    """The store that a process opens, whatever it was sent it with."""
    return StageStore(root)


def _whole(path: str, slot: Slot, record: dict[str, Any] | None) -> dict[str, Any] | None:
    """A record; None where there is none, or a damaged one.

    Its stage is computed again then, and nothing outside of the stage's folder is touched.
    """
    if record is None or not {"inputs", "result", "files"} <= record.keys():
        return None
    files, kind = record["files"], path.partition("/")[0]
    whole = slot == "snapshot" or is_whole(kind, record["result"])
    named = files is None or (isinstance(files, str) and _FILES.fullmatch(files))
    return record if whole and named else None
