"""A sweep from its start to its report; what is done already is found done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from doge_ray.engine.prepare import Prepared
from doge_ray.engine.results.folder import claim_folder, is_claimed
from doge_ray.engine.results.models import publish_models
from doge_ray.engine.results.writing import TEXTS, publish_report, publish_tables
from doge_ray.engine.search.agenda import Agenda
from doge_ray.engine.search.carry_out import carry_out
from doge_ray.engine.search.diary import Diary
from doge_ray.engine.search.progress import SweepProgress
from doge_ray.engine.tracking.outbox import Outbox
from doge_ray.engine.tracking.tracker import Tracker, make_database
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.finished import has_nothing_left
from doge_ray.engine.trials.journal import Journal
from doge_ray.engine.trials.retention import Retention
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.reporting.records import SweepRecords
from doge_ray.seeds import trial_seed


@dataclass
class Sweep:
    """A sweep in progress."""

    prepared: Prepared
    diary: Diary

    @classmethod
    def start(cls, prepared: Prepared, progress: SweepProgress) -> Sweep:
        """Tidy up; open the sweep's journal and MLflow run."""
        prepared.discard_remains()
        prepared.store.survey()
        claim_folder(prepared.results, prepared.graph, prepared.data.audit)
        tracker = Tracker(prepared.config, prepared.graph.science, prepared.results.root)
        book, outbox = _open_book(prepared), Outbox(progress.line)
        return cls(prepared, Diary(book, Retention(book), tracker, outbox, progress))

    def run(self) -> None:
        """Fine-tune, score, draw tickets, rewind, measure: each trial as soon as it can be."""
        carry_out(Agenda(self.diary))
        self.diary.retention.after_scoring()

    def publish(self) -> SweepRecords:
        """Write tables, tickets, models and the report; tidy up; close the MLflow run."""
        results = self.prepared.results
        records = publish_tables(self.diary.book, results)
        publish_models(self.diary.book, results, self.prepared.tokenizer)
        publish_report(records, self.prepared.graph, results)
        folder = self.prepared.config.name
        texts = {name: results.read_text(f"{folder}/{name}") or "" for name in TEXTS}
        self.prepared.discard_remains()
        self.diary.outbox.put(lambda: self.diary.tracker.close("FINISHED", texts))
        if left := self.diary.outbox.finish():
            self.diary.progress.line(
                ("MLflow is still away", "yellow"),
                f": {left} entries are not written; the same command writes them once it answers",
            )
        return records

    def interrupt(self) -> None:
        """Leave tables of what there is."""
        try:
            publish_tables(self.diary.book, self.prepared.results)
        finally:
            self.diary.outbox.put(lambda: self.diary.tracker.close("KILLED"))


@contextmanager
def furnished(prepared: Prepared) -> Iterator[None]:
    """Make MLflow's database, and publish θ0 of every seed, beside what is done meanwhile.

    Neither needs Ray, whose start waits for other processes most of its time. Whoever is
    interrupted does not wait for it: a storage that does not answer is tried for minutes.
    """
    config, errors, is_given_up = prepared.config, list[BaseException](), Event()
    seeds = [trial_seed(config.seed, replicate) for replicate in range(config.replicates + 1)]

    def furnish() -> None:
        try:
            make_database(config.storage)
            for seed in seeds:
                if not is_given_up.is_set():
                    prepared.initialise(seed)
        except BaseException as error:
            errors.append(error)

    beside = Thread(target=furnish, daemon=True)
    beside.start()
    try:
        yield
        beside.join()
    except BaseException:
        is_given_up.set()
        raise
    if errors:
        raise errors[0]


def is_finished(prepared: Prepared) -> bool:
    """Whether an earlier run has left nothing to compute, asked before anything is claimed."""
    if not is_claimed(prepared.results, prepared.config.name):
        return False
    prepared.store.survey()
    return has_nothing_left(_open_book(prepared))


def _open_book(prepared: Prepared) -> Book:
    journal = Journal(prepared.results, prepared.config.name)
    return Book(journal, Pipeline.of(prepared.graph, prepared.store))
