"""What became of every trial of a sweep, one small JSON file each.

The driver alone writes them: when a trial starts, so that its hyper-parameters are known after a
crash, and when it ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from operator import attrgetter
from typing import Annotated, Any, Literal

from pydantic import StringConstraints, TypeAdapter, ValidationError

from doge_ray.engine.store.index import read_all
from doge_ray.engine.store.storage import Storage, parsed
from doge_ray.engine.work.assignment import Assignment

Status = Literal["running", "finished", "stopped", "failed"]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]+$")]
"""Names folders of the store."""

INDEX = "index.parquet"
_REPORTED = ("training", "ticket", "dev_metric", "epoch", "training_seconds")


@dataclass(frozen=True)
class Entry:
    """A trial: what it was assigned, how it ended, and the stages it led to."""

    assignment: Assignment
    status: Status = "running"
    training: Digest | None = None
    ticket: Digest | None = None
    dev_metric: float | None = None
    selection_metric: float | None = None
    epoch: int | None = None
    training_seconds: float | None = None
    error: str | None = None

    @property
    def is_settled(self) -> bool:
        """Whether the trial is not to run again: it finished, or the scheduler stopped it."""
        return self.status in ("finished", "stopped")

    def reported(self, metrics: dict[str, Any]) -> Entry:
        """The entry after a report of its trial."""
        known = {key: metrics[key] for key in _REPORTED}
        return replace(self, **known)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """By replicate and number, whichever ended first."""
    told = attrgetter("assignment.replicate", "assignment.trial", "assignment.method")
    return sorted(entries, key=told)


class Journal:
    """The entries of one sweep, below its folder."""

    def __init__(self, storage: Storage, sweep: str) -> None:
        self.storage, self.folder = storage, f"{sweep}/trials"

    def write(self, entry: Entry) -> None:
        """Add an entry, or replace it."""
        text = json.dumps(asdict(entry), indent=1)
        self.storage.write_text(f"{self.folder}/{entry.assignment.name}.json", text)

    def entries(self) -> list[Entry]:
        """All entries by replicate and number; damaged files are left out."""
        index = f"{self.folder.rpartition('/')[0]}/{INDEX}"
        stamps = self.storage.stamps(self.folder)
        files = {path: stamp for path, stamp in stamps.items() if path.endswith(".json")}
        texts = read_all(self.storage, files, index)
        found = (_entry(path.rpartition("/")[2], text) for path, text in texts.items())
        return in_order(entry for entry in found if entry is not None)


def _entry(name: str, text: str) -> Entry | None:
    """None for a damaged file: its trial runs again, and finds what it has published."""
    try:
        entry = _ENTRY.validate_python(parsed(text))
    except ValidationError:
        return None
    return entry if name == f"{entry.assignment.name}.json" else None


_ENTRY = TypeAdapter(Entry)
