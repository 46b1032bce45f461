"""What the store holds of one trial, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from doge_ray.engine.journal import Entry
from doge_ray.engine.pipeline import Pipeline
from doge_ray.engine.predictions import read_predictions
from doge_ray.engine.store import Stage, StageStore
from doge_ray.reporting.records import Predictions, TrialDetails
from doge_ray.reporting.rows import TrialRow
from doge_ray.tickets.counts import Counts
from doge_ray.tickets.ticket import Ticket


@dataclass(frozen=True)
class StoredTrial:
    """A trial's journal entry with its ticket, if that can be drawn, and published results."""

    entry: Entry
    ticket: Ticket | None = None
    training: Stage | None = None
    evaluation: Stage | None = None
    trained: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def find(cls, entry: Entry, pipeline: Pipeline) -> StoredTrial:
        """Draw the ticket and read the results of a finished trial."""
        if not pipeline.can_draw(entry.assignment):
            return cls(entry)
        job, store = pipeline.training(entry.assignment), pipeline.store
        if entry.status != "finished":
            return cls(entry, job.ticket, job.stage)
        evaluation = pipeline.graph.evaluation(job.stage)
        trained, target = store.result(job.stage) or {}, store.result(evaluation) or {}
        return cls(entry, job.ticket, job.stage, evaluation, trained, target)

    def row(self) -> TrialRow:
        """Its line in the table of trials, before any is selected."""
        entry, ticket = self.entry, self.ticket
        return TrialRow(
            **entry.assignment.asdict(),
            ticket=None if ticket is None else ticket.digest,
            dev_metric=entry.dev_metric,
            selection_metric=entry.selection_metric,
            target_metric=self.target.get("target_metric"),
            target_metric_deduplicated=self.target.get("target_metric_deduplicated"),
            selected=False,
            selected_oracle=False,
            trained=entry.status == "finished",
            seconds=entry.training_seconds,
            error=entry.error,
            status=entry.status,
            epochs=entry.epoch,
            unit_fraction=None if ticket is None else ticket.unit_fraction,
            parameter_fraction=None if ticket is None else ticket.parameter_fraction,
        )

    def details(self) -> TrialDetails:
        """What a row has no room for."""
        return TrialDetails(
            None if self.training is None else self.training.digest,
            self.ticket,
            self.trained.get("history", ()),
            self.target.get("target", {}),
            self.target.get("target_deduplicated", {}),
        )

    def predictions(self, store: StageStore) -> Predictions:
        """What a finished trial predicted for every target example.

        Raises:
            ValueError: the trial did not finish.
        """
        if self.evaluation is None:
            raise ValueError(f"{self.entry.assignment.name} was not evaluated")
        table = read_predictions(store.files(self.evaluation))
        counts = (table[name].to_numpy() for name in ("matched", "predicted", "expected"))
        return Predictions(
            domain_N=table["domain"].to_numpy(zero_copy_only=False),
            counts_N=Counts(*counts),
            duplicated_N=table["duplicate"].to_numpy(zero_copy_only=False),
        )
