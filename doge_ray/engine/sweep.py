"""A sweep's steps, one after the other; each finds done what was done before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from doge_ray.config.schema import SweepConfig
from doge_ray.engine.prepare import Prepared
from doge_ray.engine.results.folder import claim_folder
from doge_ray.engine.results.writing import TEXTS, publish_models, publish_report, publish_tables
from doge_ray.engine.search.claims import start_claims
from doge_ray.engine.search.observer import Observer
from doge_ray.engine.search.progress import SweepProgress
from doge_ray.engine.search.study import run_assignments, run_studies
from doge_ray.engine.store import Stage
from doge_ray.engine.tracking.outbox import Outbox
from doge_ray.engine.tracking.tracker import Tracker
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import replicates
from doge_ray.engine.trials.journal import Journal
from doge_ray.engine.trials.retention import Retention
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.jobs import SCORES
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.scoring import score_models
from doge_ray.errors import SweepError
from doge_ray.reporting.records import SweepRecords
from doge_ray.seeds import derive_seed


@dataclass
class Sweep:
    """A sweep in progress."""

    prepared: Prepared
    progress: SweepProgress
    tracker: Tracker
    outbox: Outbox
    book: Book
    retention: Retention
    claims: Any

    @classmethod
    def start(cls, prepared: Prepared, progress: SweepProgress) -> Sweep:
        """Tidy up, open the sweep's journal and MLflow run, and publish θ0."""
        config = prepared.config
        prepared.discard_remains()
        claim_folder(prepared.results, prepared.graph, prepared.data.audit)
        tracker = Tracker(config, prepared.graph.science, prepared.results.root)
        for seed in _seeds(config):
            prepared.initialise(seed)
        pipeline = Pipeline.of(prepared.graph, prepared.store)
        book = Book(Journal(prepared.results, config.name), pipeline)
        outbox = Outbox(progress.line)
        return cls(prepared, progress, tracker, outbox, book, Retention(book), start_claims())

    def search(self, methods: Sequence[str]) -> None:
        """The studies of some methods, side by side.

        Raises:
            SweepError: no trial of the dense network finished, so there is nothing to draw from.
        """
        self.progress.phase(f"searching {', '.join(methods)}")
        run_studies(methods, self._observer())
        best = self.book.chosen(methods).values()
        if "dense" in methods and not best:
            errors = {str(entry.error) for entry in self.book.search("dense")}
            raise SweepError(f"no dense trial finished: {'; '.join(errors)}")
        self.book.draw_from_chosen()
        # A winner has lost its weights only if an earlier run of more trials chose another.
        lost = {e.assignment: True for e in best if not self._has_weights(e.assignment)}
        if lost:
            run_assignments(lost, self._observer())

    def repeat(self, methods: Sequence[str]) -> None:
        """The chosen configuration of each method, with fresh seeds."""
        self.progress.phase(f"repeating the chosen {', '.join(methods)}")
        config, observer = self.prepared.config, self._observer()
        best = self.book.chosen(methods).values()
        repeats = [a for entry in best for a in replicates(entry, config)]
        drawable = [a for a in repeats if self.pipeline.can_draw(a)]
        for assignment in repeats:
            if assignment not in drawable:
                observer.give_up(assignment, "the fine-tuned model of this seed failed")
        needed = {a: a.method == "dense" and not self._is_scored(a) for a in drawable}
        run_assignments(needed, observer)

    def score(self) -> None:
        """Per-domain sensitivities of the fine-tuned models."""
        seeds = _seeds(self.prepared.config)
        models = [
            (f"replicate-{seeds.index(seed)}", self.pipeline, training)
            for seed, training in self.pipeline.finetuned.items()
            if self._is_trained(training)
        ]
        models += [
            (f"without-{domain}", fold, training)
            for domain, fold in self.pipeline.folds.items()
            for training in fold.finetuned.values()
        ]
        self.progress.phase(f"scoring {len(models)} fine-tuned models")
        (_, _, search), *_ = models
        score_models([(pipeline, training) for _, pipeline, training in models], search)
        for name, pipeline, training in models:
            self.outbox.put(partial(self._track_scores, name, pipeline, training))
        self.book.draw_from_chosen()  # trials of an earlier run may be found now
        self.retention.after_scoring()

    def publish(self) -> SweepRecords:
        """Write tables, tickets, models and the report; tidy up; close the MLflow run."""
        results = self.prepared.results
        records = publish_tables(self.book, results)
        publish_models(self.book, results, self.prepared.tokenizer)
        publish_report(records, self.prepared.graph, results)
        folder = self.prepared.config.name
        texts = {name: results.read_text(f"{folder}/{name}") or "" for name in TEXTS}
        self.prepared.discard_remains()
        self.outbox.put(lambda: self.tracker.close("FINISHED", texts))
        if left := self.outbox.finish():
            self.progress.line(
                ("MLflow is still away", "yellow"),
                f": {left} entries are not written; the same command writes them once it answers",
            )
        return records

    def interrupt(self) -> None:
        """Leave tables of what there is."""
        try:
            publish_tables(self.book, self.prepared.results)
        finally:
            self.outbox.put(lambda: self.tracker.close("KILLED"))

    @property
    def pipeline(self) -> Pipeline:
        """What determines the stages, with the dense models that tickets are drawn from now."""
        return self.book.pipeline

    def _observer(self) -> Observer:
        told = self.tracker, self.outbox, self.progress
        return Observer(self.book, self.retention, *told, self.claims)

    def _has_weights(self, assignment: Assignment) -> bool:
        """Whether the weights are there: the model's and, where tickets need them, its folds'."""
        store, trial = self.pipeline.store, self.pipeline.trial(assignment)
        is_source = assignment.method == "dense" and not trial.is_scored(store)
        parts = trial.parts if is_source else [trial]
        return all(store.has_files(part.training) for part in parts)

    def _is_scored(self, assignment: Assignment) -> bool:
        return self.pipeline.trial(assignment).is_scored(self.pipeline.store)

    def _is_trained(self, training: Stage) -> bool:
        return self.pipeline.store.result(training) is not None

    def _track_scores(self, name: str, pipeline: Pipeline, training: Stage) -> None:
        store, stage = pipeline.store, pipeline.graph.scoring(training)
        result = store.result(stage) or {}
        run = f"scoring-{name}"
        self.tracker.start(run, training.digest, {}, {"doge_ray.stage": "scoring"})
        self.tracker.end(run, metrics=result, files=(store.files(stage) / SCORES,))


def _seeds(config: SweepConfig) -> list[int]:
    """The seeds of the search and of every replicate."""
    repeats = range(1, config.replicates + 1)
    search = derive_seed(config.seed, "search")
    return [search, *(derive_seed(config.seed, "replicate", r) for r in repeats)]
