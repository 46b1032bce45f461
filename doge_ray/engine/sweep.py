"""A sweep's steps, one after the other; each finds done what was done before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from doge_ray.config import SweepConfig
from doge_ray.engine.choice import all_chosen, present, replicates, with_finetuned
from doge_ray.engine.journal import Entry, Journal
from doge_ray.engine.pipeline import Assignment, Pipeline
from doge_ray.engine.prepare import Prepared
from doge_ray.engine.publish import TEXTS, publish_models, publish_report, publish_tables
from doge_ray.engine.retention import discard_outdated, discard_unneeded
from doge_ray.engine.scoring import score_models
from doge_ray.engine.search.observer import Observer
from doge_ray.engine.search.progress import SweepProgress
from doge_ray.engine.search.study import run_assignments, run_studies
from doge_ray.engine.store import Stage
from doge_ray.engine.tracking.outbox import Outbox
from doge_ray.engine.tracking.tracker import Tracker
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
    journal: Journal
    pipeline: Pipeline

    @classmethod
    def start(cls, prepared: Prepared, progress: SweepProgress) -> Sweep:
        """Tidy up, open the sweep's journal and MLflow run, and publish θ0."""
        config = prepared.config
        prepared.discard_remains()
        prepared.claim_folder()
        tracker = Tracker(config, prepared.graph.science, prepared.results.root)
        for seed in _seeds(config):
            prepared.initialise(seed)
        journal = Journal(prepared.results, config.name)
        pipeline = Pipeline.of(prepared.graph, prepared.store)
        return cls(prepared, progress, tracker, Outbox(progress.line), journal, pipeline)

    def search(self, methods: Sequence[str]) -> None:
        """The studies of some methods, side by side.

        Raises:
            SweepError: no trial of the dense network finished, so there is nothing to draw from.
        """
        self.progress.phase(f"searching {', '.join(methods)}")
        run_studies(methods, self.pipeline, self.journal, self._observer())
        best = self._chosen(methods)
        if "dense" in methods and not best:
            errors = {str(entry.error) for entry in self.journal.entries("dense")}
            raise SweepError(f"no dense trial finished: {'; '.join(errors)}")
        self.pipeline = with_finetuned(self.pipeline, self.journal.entries())
        # A winner has lost its weights only if an earlier run of more trials chose another.
        lost = {e.assignment: True for e in best if not self._has_weights(e.assignment)}
        if lost:
            run_assignments(lost, self.pipeline, self._observer())

    def repeat(self, methods: Sequence[str]) -> None:
        """The chosen configuration of each method, with fresh seeds."""
        self.progress.phase(f"repeating the chosen {', '.join(methods)}")
        config, observer = self.prepared.config, self._observer()
        repeats = [a for entry in self._chosen(methods) for a in replicates(entry, config)]
        drawable = [a for a in repeats if self.pipeline.can_draw(a)]
        for assignment in repeats:
            if assignment not in drawable:
                observer.give_up(assignment, "the fine-tuned model of this seed failed")
        needed = {a: a.method == "dense" and not self.pipeline.is_scored(a) for a in drawable}
        run_assignments(needed, self.pipeline, observer)

    def score(self) -> None:
        """Per-domain sensitivities of the fine-tuned models, on Ray Train workers."""
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
        entries = self.journal.entries()
        trials = present(entries, self.pipeline)
        discard_unneeded(trials, trials, self.pipeline)
        discard_outdated(entries, self.pipeline)

    def publish(self) -> SweepRecords:
        """Write tables, tickets, models and the report; tidy up; close the MLflow run."""
        results = self.prepared.results
        records = publish_tables(self.pipeline, self.journal, results)
        publish_models(self.pipeline, self.journal, self.prepared)
        publish_report(records, self.prepared.graph, results)
        folder = self.prepared.config.name
        texts = {name: results.read_text(f"{folder}/{name}") or "" for name in TEXTS}
        self.prepared.discard_remains()
        self.outbox.put(lambda: self.tracker.close("FINISHED", texts))
        if left := self.outbox.finish():
            self.progress.line(
                f"[yellow]MLflow is still away[/yellow]: {left} entries are not written; the same "
                "command writes them once it answers"
            )
        return records

    def interrupt(self) -> None:
        """Leave tables of what there is."""
        try:
            publish_tables(self.pipeline, self.journal, self.prepared.results)
        finally:
            self.outbox.put(lambda: self.tracker.close("KILLED"))

    def _chosen(self, methods: Sequence[str]) -> list[Entry]:
        entries = present(self.journal.entries(), self.pipeline)
        return list(all_chosen(methods, entries).values())

    def _observer(self) -> Observer:
        return Observer(self.pipeline, self.journal, self.tracker, self.outbox, self.progress)

    def _has_weights(self, assignment: Assignment) -> bool:
        """Whether the weights are there: the model's and, where tickets need them, its folds'."""
        store = self.pipeline.store
        main, *folds = (part.training(assignment).stage for part in self.pipeline.parts(assignment))
        if assignment.method != "dense" or self.pipeline.is_scored(assignment):
            folds = []
        return all(map(store.has_files, [main, *folds]))

    def _is_trained(self, training: Stage) -> bool:
        return self.pipeline.store.result(training) is not None

    def _track_scores(self, name: str, pipeline: Pipeline, training: Stage) -> None:
        store, stage = pipeline.store, pipeline.graph.scoring(training)
        result = store.result(stage) or {}
        run = f"scoring-{name}"
        self.tracker.start(run, training.digest, {}, {"doge_ray.stage": "scoring"})
        self.tracker.end(run, metrics=result, files=(store.files(stage) / "scores.parquet",))


def _seeds(config: SweepConfig) -> list[int]:
    """The seeds of the search and of every replicate."""
    repeats = range(1, config.replicates + 1)
    search = derive_seed(config.seed, "search")
    return [search, *(derive_seed(config.seed, "replicate", r) for r in repeats)]
