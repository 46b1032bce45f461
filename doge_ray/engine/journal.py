"""What became of every trial of a sweep, one small JSON file each.

The driver alone writes them: when a trial starts, so that its hyper-parameters are known after a
crash, and when it ends.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from doge_ray.engine.pipeline import Assignment
from doge_ray.engine.storage import Storage

Status = Literal["running", "finished", "stopped", "failed"]


_REPORTED = ("training", "ticket", "dev_metric", "epoch", "training_seconds")


@dataclass(frozen=True)
class Entry:
    """A trial: what it was assigned, how it ended, and the stages it led to."""

    assignment: Assignment
    status: Status = "running"
    training: str | None = None
    ticket: str | None = None
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


class Journal:
    """The entries of one sweep, below its folder."""

    def __init__(self, storage: Storage, sweep: str) -> None:
        self.storage, self.folder = storage, f"{sweep}/trials"

    def write(self, entry: Entry) -> None:
        """Add an entry, or replace it."""
        text = json.dumps(asdict(entry), indent=1)
        self.storage.write_text(f"{self.folder}/{entry.assignment.name}.json", text)

    def entries(self, method: str | None = None, *, search: bool = False) -> list[Entry]:
        """All entries by replicate and number; of one method, or of its search alone."""
        texts = (self.storage.read_text(f"{self.folder}/{name}") for name in self._names())
        entries = [_entry(json.loads(text)) for text in texts if text is not None]
        chosen = [
            entry
            for entry in entries
            if method in (None, entry.assignment.method)
            and not (search and entry.assignment.replicate)
        ]
        return sorted(chosen, key=lambda e: (e.assignment.replicate, e.assignment.trial))

    def _names(self) -> list[str]:
        return [name for name in self.storage.list(self.folder) if name.endswith(".json")]


def _entry(record: dict[str, Any]) -> Entry:
    return Entry(**record | {"assignment": Assignment(**record["assignment"])})
