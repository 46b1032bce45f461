"""All trials of a sweep in memory, and which one leads each search: read once, then kept up."""

from __future__ import annotations

from collections.abc import Iterable

from doge_ray.engine.trials.choice import (
    all_chosen,
    as_stored,
    chosen,
    is_candidate,
    present,
    with_finetuned,
)
from doge_ray.engine.trials.journal import Entry, Journal, in_order
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.tickets.kinds import KINDS


class Book:
    """The journal of a sweep, held against what is stored.

    The driver is the only one to write, so what it once read stays true until it writes itself;
    stages are published by the trials' processes, each before its trial is written as finished.

    Args:
        journal: of the sweep.
        pipeline: tells what determines each trial, and what is published of it.
    """

    def __init__(self, journal: Journal, pipeline: Pipeline) -> None:
        self.journal, self.pipeline = journal, pipeline
        self._recorded = {entry.assignment.name: entry for entry in journal.entries()}
        self._entries: dict[str, Entry] = {}
        self._hold(self.recorded)

    @property
    def recorded(self) -> list[Entry]:
        """What the journal says, also of trials that are not asked for any more."""
        return list(self._recorded.values())

    @property
    def entries(self) -> list[Entry]:
        """The trials that are asked for, as far as they got; in order, also of what just ended."""
        return in_order(self._entries.values())

    def of(self, assignment: Assignment) -> Entry | None:
        """The entry of exactly this trial; another may have had its number."""
        entry = self._entries.get(assignment.name)
        return entry if entry is not None and entry.assignment == assignment else None

    def search(self, method: str) -> list[Entry]:
        """The trials of a method's search, by number."""
        mine = (entry for entry in self._entries.values() if entry.assignment.method == method)
        return sorted(
            (entry for entry in mine if entry.assignment.replicate == 0),
            key=lambda entry: entry.assignment.trial,
        )

    def chosen(self, methods: Iterable[str]) -> dict[str, Entry]:
        """The chosen trial of each method that has one."""
        return {method: self._best[method] for method in methods if method in self._best}

    def write(self, entry: Entry, *, has_changed: bool = False) -> Entry:
        """Note what became of a trial, as far as it is stored; at a cost that does not grow.

        Args:
            entry: of the trial.
            has_changed: whether the results of its stages, which others may share, were others.
        """
        name, entry = entry.assignment.name, as_stored(entry, self.pipeline)
        self.journal.write(entry)
        self._recorded[name] = self._entries[name] = entry
        if has_changed:
            self._hold(self.recorded)  # trials of equal choices share their stages
        else:
            self._follow(entry)
        return entry

    def draw_from_chosen(self) -> None:
        """Draw tickets from the dense configuration that is chosen now."""
        self.pipeline = with_finetuned(self.pipeline, self._best.get("dense"))
        self._hold([each for each in self.recorded if KINDS[each.assignment.kind].reads_scores])

    def _hold(self, recorded: Iterable[Entry]) -> None:
        entries = present(recorded, self.pipeline)
        self._entries |= {entry.assignment.name: entry for entry in entries}
        self._best = all_chosen(self.pipeline.graph.config.methods, self.entries)

    def _follow(self, entry: Entry) -> None:
        """Let a new entry lead its search if it is better; a leader that fell leaves it to all."""
        method = entry.assignment.method
        leader = self._best.get(method)
        fell = leader is not None and leader.assignment == entry.assignment
        if is_candidate(entry) or fell:
            rivals = self.entries if fell else [*([leader] if leader else []), entry]
            best = chosen(method, rivals)
            self._best.pop(method, None)
            if best is not None:
                self._best[method] = best
