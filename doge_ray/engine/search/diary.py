"""What the driver writes down of every trial: journal, tracking, progress, disk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from doge_ray.engine.search.progress import SweepProgress
from doge_ray.engine.store import Stage
from doge_ray.engine.tracking.outbox import Outbox
from doge_ray.engine.tracking.tracker import Tracker
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.trials.retention import Retention
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.graph import SCORES
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.task import Task
from doge_ray.reporting.mask_picture import mask_picture
from doge_ray.tickets.ties import decimal


@dataclass
class Diary:
    """Keeps a sweep's books as its trials begin and end."""

    book: Book
    retention: Retention
    tracker: Tracker
    outbox: Outbox
    progress: SweepProgress
    _epochs: dict[str, Entry] = field(default_factory=dict)
    """How far the running trials got: what the journal need not know of every epoch."""

    @property
    def pipeline(self) -> Pipeline:
        """What determines the trials' stages."""
        return self.book.pipeline

    def started(self, assignment: Assignment) -> None:
        """Write down what a trial was assigned, before anything is spent on it."""
        entry = self.book.of(assignment)
        if entry is None or not entry.is_settled:
            self.book.write(Entry(assignment))
        self._start_run(assignment)

    def epoch(self, assignment: Assignment, result: dict[str, Any]) -> None:
        """A trial has got through an epoch."""
        self._epochs[assignment.name] = self._latest(assignment).reported(result)
        self.outbox.put(partial(self._track_epoch, assignment.name, result))
        most = self.pipeline.graph.config.train.max_epochs
        self.progress.epoch(assignment.name, result, most)

    def finished(self, assignment: Assignment, *, has_changed: bool = False) -> None:
        """A trial is trained and evaluated, perhaps by another that has the same stages.

        Args:
            assignment: of the trial.
            has_changed: whether it was trained again and came out otherwise, as it may on GPUs.
        """
        entry = self.book.write(Entry(assignment, status="finished"), has_changed=has_changed)
        self._epochs.pop(assignment.name, None)
        ticket = self.pipeline.trial(assignment).ticket
        self.outbox.put(partial(self._track, entry))
        self.progress.trial_ended(
            assignment.name,
            f"source dev {decimal(entry.dev_metric or 0):.1%}, "
            f"{decimal(ticket.parameter_fraction):.0%} of the encoder removed",
        )
        self.retention.after(entry)

    def stopped(self, assignment: Assignment) -> None:
        """A scheduler has stopped a trial."""
        entry = self.book.write(replace(self._latest(assignment), status="stopped"))
        self._epochs.pop(assignment.name, None)
        self.pipeline.store.discard_unpublished(self.pipeline.trial(assignment).training)
        self._end_stopped_run(entry)
        self.progress.trial_ended(assignment.name, f"stopped at epoch {entry.epoch}")

    def failed(self, assignment: Assignment, error: str) -> None:
        """A trial has failed for good."""
        # One whose process never came up was not started either.
        self._start_run(assignment)
        self.book.write(replace(self._latest(assignment), status="failed", error=error))
        self._epochs.pop(assignment.name, None)
        self._end_run(assignment, {"error": error}, "FAILED")
        self.progress.trial_failed(assignment.name, error)

    def given_up(self, assignment: Assignment, error: str) -> None:
        """A trial cannot be run."""
        self.book.write(Entry(assignment, status="failed", error=error))
        self.progress.trial_failed(assignment.name, error)

    def recalled(self, entry: Entry) -> None:
        """An earlier run settled a trial; its tracking is completed, if that was cut off."""
        self._start_run(entry.assignment)
        if entry.status == "finished":
            self.outbox.put(partial(self._track, entry))
        else:
            self._end_stopped_run(entry)
        self.progress.trials_found(1)

    def chosen(self, method: str) -> Entry | None:
        """A method's search is over; returns the chosen trial, if one finished."""
        entry = self.book.chosen([method]).get(method)
        if entry is not None:
            metric = decimal(entry.selection_metric or 0)
            self.progress.line(
                (f"{method}: {entry.assignment.name} is chosen, {metric:.1%}", "bold")
            )
        return entry

    def looked(self, task: Task) -> None:
        """Fine-tuned models are scored, and needed no more."""
        results = [self.pipeline.store.result(job.stage) or {} for job in task.jobs]
        self.progress.line(f"{task}  {sum(result['seconds'] for result in results):.0f} s")
        self.book.draw_from_chosen()  # trials of an earlier run may be found now
        self.retention.after_scoring()

    def scored(self, name: str, pipeline: Pipeline, training: Stage) -> None:
        """The scores of a fine-tuned model are there."""
        self.outbox.put(partial(self._track_scores, name, pipeline, training))

    def _latest(self, assignment: Assignment) -> Entry:
        """A running trial with its last epoch, whichever of the two is known."""
        epoch = self._epochs.get(assignment.name)
        if epoch is not None and epoch.assignment == assignment:
            return epoch
        return self.book.of(assignment) or Entry(assignment)

    def _start_run(self, assignment: Assignment) -> None:
        training = self.pipeline.trial(assignment).training.digest
        tags = {"doge_ray.method": assignment.method}
        name, params = assignment.name, assignment.asdict()
        self.outbox.put(lambda: self.tracker.start(name, training, params, tags))

    def _track(self, entry: Entry) -> None:
        """Everything about a finished trial, from the store: nothing depends on live reports."""
        name = entry.assignment.name
        if self.tracker.is_closed(name):
            return
        store, trial = self.pipeline.store, self.pipeline.trial(entry.assignment)
        trained, target = store.result(trial.training) or {}, store.result(trial.evaluation) or {}
        for record in trained["history"]:
            self._track_epoch(name, record | {"epoch_dev_metric": record["dev_metric"]})
        self.tracker.end(
            name,
            metrics={
                "dev_metric_best": trained["dev_metric"],
                "best_epoch": trained["best_epoch"],
                "micro_batch_size": trained.get("micro_batch_size"),
                "unit_fraction": trial.ticket.unit_fraction,
                "parameter_fraction": trial.ticket.parameter_fraction,
                "target_metric": target["target_metric"],
                "target_metric_deduplicated": target["target_metric_deduplicated"],
                **{f"target.{name}": value for name, value in target["target"].items()},
            },
            texts={"ticket.json": trial.ticket.to_json()},
            figures={"ticket.png": mask_picture(trial.ticket)},
        )

    def _track_epoch(self, name: str, result: dict[str, Any]) -> None:
        metrics = {
            "dev_metric": result["epoch_dev_metric"],
            "loss": result["loss"],
            "seconds": result["seconds"],
            **{f"dev.{name}": value for name, value in result["dev"].items()},
        }
        self.tracker.epoch(name, result["epoch"], metrics)

    def _track_scores(self, name: str, pipeline: Pipeline, training: Stage) -> None:
        store, stage = pipeline.store, pipeline.graph.scoring(training)
        result = store.result(stage) or {}
        self.tracker.start(name, training.digest, {}, {"doge_ray.stage": "scoring"})
        self.tracker.end(name, metrics=result, files=(store.files(stage) / SCORES,))

    def _end_stopped_run(self, entry: Entry) -> None:
        # The journal keeps of its epochs what it was judged by.
        metrics, tags = {"dev_metric_best": entry.dev_metric}, {"stopped": "by the scheduler"}
        self._end_run(entry.assignment, tags, "KILLED", metrics)

    def _end_run(
        self,
        assignment: Assignment,
        tags: dict[str, str],
        status: str,
        metrics: dict[str, float | None] | None = None,
    ) -> None:
        name = assignment.name
        self.outbox.put(lambda: self.tracker.end(name, metrics=metrics, tags=tags, status=status))
