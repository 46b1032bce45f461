"""What the driver does on every event of a trial: journal, tracking, progress, disk."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune

from doge_ray.engine.cluster.avoidance import avoid
from doge_ray.engine.cluster.capacity import worker_resources
from doge_ray.engine.search.progress import SweepProgress
from doge_ray.engine.search.trainable import assignment_of
from doge_ray.engine.tracking.outbox import Outbox
from doge_ray.engine.tracking.tracker import Tracker
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.trials.retention import Retention
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.faults import is_memory_kill
from doge_ray.engine.work.fitness import have_changed
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import training_job
from doge_ray.errors import SweepError
from doge_ray.reporting.mask_picture import mask_picture
from doge_ray.tickets.ties import decimal

# How Python names an error; some say more in lines below it.
_ERROR = re.compile(r"[\w.]*(Error|Exception|Interrupt)\b")


@dataclass
class Observer(tune.Callback):
    """Follows the trials of one Tune run."""

    book: Book
    retention: Retention
    tracker: Tracker
    outbox: Outbox
    progress: SweepProgress
    claims: Any
    """The actor that all trials ask."""
    _epochs: dict[str, Entry] = field(default_factory=dict)
    """How far the running trials got: what the journal need not know of every epoch."""

    @property
    def pipeline(self) -> Pipeline:
        """What determines the trials' stages."""
        return self.book.pipeline

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its callbacks into a state that no restart reads."""
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write down what the trial was assigned, before anything is spent on it."""
        assignment = assignment_of(trial.config)
        entry = self.book.of(assignment)
        if entry is None or not entry.is_settled:
            self.book.write(Entry(assignment))
        self._start_run(assignment)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch ended."""
        assignment = assignment_of(trial.config)
        if "error" in result:
            self._fail(assignment, result["error"])
            return
        entry = self._latest(assignment).reported(result)
        if result["finished"]:
            self.book.write(replace(entry, status="finished"))
        elif "loss" in result:
            self._epochs[assignment.name] = entry
            self.outbox.put(partial(self._track_epoch, assignment.name, result))
            most = self.pipeline.graph.config.train.max_epochs
            self.progress.epoch(assignment.name, result, most)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial finished, or the scheduler stopped it."""
        assignment = assignment_of(trial.config)
        entry = self.book.of(assignment)
        if entry is not None and entry.status == "finished":
            self._finish(entry)
        elif entry is None or entry.status != "failed":
            self._stop(self._latest(assignment))
        self._release(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial's process was lost again and again, or never came up."""
        self._fail(assignment_of(trial.config), _cause(trial.error_file))
        self._release(trial)
        self._avoid_unfit()

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """The trial's process was lost, or failed and is tried again."""
        assignment, error = assignment_of(trial.config), _cause(trial.error_file)
        # Another trial may hold the device that this one needs, and wait for what it has claimed.
        self._release(trial)
        if is_memory_kill(error):
            self._halve_micro_batch(assignment)
        self.progress.line(f"{assignment.name}  goes on after: {error}")
        self._avoid_unfit()

    def give_up(self, assignment: Assignment, error: str) -> None:
        """Write down that a trial cannot be run."""
        self.book.write(Entry(assignment, status="failed", error=error))
        self.progress.trial_failed(assignment.name, error)

    def is_done(self, assignment: Assignment, *, needs_files: bool = False) -> bool:
        """Whether an earlier run finished a trial, with the pipeline as it is now."""
        entry = self.book.of(assignment)
        if entry is None or entry.status != "finished":
            return False
        training = self.pipeline.trial(assignment).training
        return not needs_files or self.pipeline.store.has_files(training)

    def recall(self, entry: Entry) -> None:
        """Count a trial that an earlier run settled; complete its tracking, if that was cut off."""
        self._start_run(entry.assignment)
        if entry.status == "finished":
            self.outbox.put(partial(self._track, entry))
        else:
            self._end_stopped_run(entry)
        self.progress.trials_found(1)

    def _latest(self, assignment: Assignment) -> Entry:
        """A running trial with its last epoch, whichever of the two is known."""
        epoch = self._epochs.get(assignment.name)
        if epoch is not None and epoch.assignment == assignment:
            return epoch
        return self.book.of(assignment) or Entry(assignment)

    def _release(self, trial: Any) -> None:
        ray.get(self.claims.release.remote(trial.trial_id))

    def _avoid_unfit(self) -> None:
        """Else the next trial would be given the same device, as it is free, and the one after."""
        unfit = ray.get(self.claims.unfit.remote())
        if unfit and have_changed():
            raise SweepError(
                "doge_ray's own files were changed while the sweep runs, so new processes would "
                "compute by other code than those before. Nothing finished is lost; the same "
                "command goes on, with the code as it is now"
            )
        resources = self.pipeline.graph.config.resources
        workers = max(resources.trial_workers, resources.stage_workers)
        avoid(unfit, worker_resources(resources), workers, self.progress.line)

    def _halve_micro_batch(self, assignment: Assignment) -> None:
        """Let the running training take less: the first of the trial's that is not published."""
        store = self.pipeline.store
        for part in self.pipeline.trial(assignment).parts:
            job = training_job(part, store)
            if job.halve_micro_batch(job.micro_batch_size(world_size=1)):
                return

    def _start_run(self, assignment: Assignment) -> None:
        training = self.pipeline.trial(assignment).training.digest
        tags = {"doge_ray.method": assignment.method}
        name, params = assignment.name, assignment.asdict()
        self.outbox.put(lambda: self.tracker.start(name, training, params, tags))

    def _finish(self, entry: Entry) -> None:
        ticket = self.pipeline.trial(entry.assignment).ticket
        self.outbox.put(partial(self._track, entry))
        self.progress.trial_ended(
            entry.assignment.name,
            f"source dev {decimal(entry.dev_metric or 0):.1%}, "
            f"{decimal(ticket.parameter_fraction):.0%} of the encoder removed",
        )
        self.retention.after(entry)

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

    def _stop(self, entry: Entry) -> None:
        assignment = entry.assignment
        self.book.write(replace(entry, status="stopped"))
        self.pipeline.store.discard_unpublished(self.pipeline.trial(assignment).training)
        self._end_stopped_run(entry)
        self.progress.trial_ended(assignment.name, f"stopped at epoch {entry.epoch}")

    def _fail(self, assignment: Assignment, error: str) -> None:
        # A trial whose process never came up was not started either.
        self._start_run(assignment)
        self.book.write(replace(self._latest(assignment), status="failed", error=error))
        self._end_run(assignment, {"error": error}, "FAILED")
        self.progress.trial_failed(assignment.name, error)

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

    def _track_epoch(self, name: str, result: dict[str, Any]) -> None:
        metrics = {
            "dev_metric": result["epoch_dev_metric"],
            "loss": result["loss"],
            "seconds": result["seconds"],
            **{f"dev.{name}": value for name, value in result["dev"].items()},
        }
        self.tracker.epoch(name, result["epoch"], metrics)


def _cause(error_file: str | None) -> str:
    """The error in what Tune wrote down; the whole traceback is in Ray's logs."""
    lines = Path(error_file).read_text().strip().splitlines() if error_file else []
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or ["the trial's process died"])[-1]
