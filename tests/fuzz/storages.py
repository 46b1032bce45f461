"""The small files of a finished sweep's storage, damaged; then its report, and a restart."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from hypothesis import strategies as st

from doge_ray.config import SweepConfig, load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import Prepared, prepare
from doge_ray.engine.results.combined import publish_combined
from doge_ray.engine.results.folder import claim_folder
from doge_ray.engine.results.reading import open_book
from doge_ray.engine.results.writing import publish_tables
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import chosen, present, replicates, with_finetuned
from doge_ray.engine.trials.journal import Entry, Journal
from doge_ray.engine.trials.retention import Retention
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.jobs import evaluation_job, scoring_job
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import training_job
from doge_ray.seeds import derive_seed
from doge_ray.stages.world import World
from tests.engine.project import make_project
from tests.fuzz.box import answer
from tests.fuzz.spoilt import as_json, damaged, spoilt

_WORDS = (b"\xff", b"\x00", b'"', b"{", b"[" * 30_000, b"null", b"../..", b"NaN", b"-1")


class Case(NamedTuple):
    file: str
    content: bytes


@cache
def _finished() -> Path:
    """A project whose sweep has run: dense and doge, a trial and a repeat of each."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-sweep-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    search = {"num_trials": 1, "variance_weight": [10]}
    make_project(folder, methods=["dense", "doge"], train={"max_epochs": 1}, search=search)
    prepared = _prepared(load_config(str(folder / "sweep.yaml")))
    claim_folder(prepared.results, prepared.graph, prepared.data.audit)
    pipeline = Pipeline.of(prepared.graph, prepared.store)
    journal = Journal(prepared.results, "tiny")
    for method in ("dense", "doge"):
        pipeline = _run(method, pipeline, journal, prepared)
    parts = [{"name": "tiny", "column": "all", "paper": {"dense": 50.0}}] * 2
    prepared.results.write_text("both/parts.json", json.dumps(parts))
    return folder


def _run(method: str, pipeline: Pipeline, journal: Journal, prepared: Prepared) -> Pipeline:
    """A search of one trial and a repeat, in this process."""
    config, world = prepared.config, World.current(torch.device("cpu"))
    seed = derive_seed(config.seed, "search")
    first = Assignment(method, 0, 0, seed, 0.01, 16, 0.4 if method == "doge" else 0.0)
    for assignment in (first, *replicates(Entry(first), config)):
        prepared.initialise(assignment.seed)
        trial = pipeline.trial(assignment)
        training_job(trial, prepared.store).run(world, lambda report: None)
        evaluation_job(trial, prepared.store).run(world, lambda report: None)
        journal.write(Entry(assignment, "finished"))
        journal.write(present([Entry(assignment, "finished")], pipeline)[0])
        if method == "dense":
            scoring = scoring_job(prepared.graph, prepared.store, trial.training)
            scoring.run(world, lambda report: None)
    return with_finetuned(pipeline, chosen("dense", present(journal.entries(), pipeline)))


def _prepared(config: SweepConfig) -> Prepared:
    return prepare(config, load_corpus(config.data), find_model(config.model))


@cache
def _files() -> list[str]:
    storage = _finished() / "runs"
    return sorted(str(file.relative_to(storage)) for file in storage.rglob("*.json"))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    weighed = [*_files(), *["tiny/sweep.json", "both/parts.json", "tiny/audit.json"] * 3]
    file = draw(st.sampled_from(weighed))
    content = (_finished() / "runs" / file).read_bytes()
    trees = spoilt(st.just(json.loads(content))).map(lambda tree: as_json(tree).encode())
    halves = st.integers(0, len(content)).map(lambda length: content[:length])
    return Case(file, draw(st.one_of(trees, trees, halves, damaged(st.just(content), _WORDS))))


def check(box: Path, case: Case) -> None:
    """The report and the restart both end, or say which file is wrong; all else is untouched."""
    shutil.copytree(_finished() / "runs", box / "runs", copy_function=os.link)
    (box / "runs" / case.file).unlink()
    (box / "runs" / case.file).write_bytes(case.content)
    if case.file == "both/parts.json":
        answer(lambda: publish_combined("both", "runs"), case.file)
        return
    answer(_report, "runs")
    answer(_restart, "runs")


def _report() -> None:
    publish_tables(open_book("tiny", "runs"), Storage("runs"))


def _restart() -> None:
    """What the same command does before it trains."""
    config = load_config(str(_finished() / "sweep.yaml"), ["storage=runs"])
    prepared = _prepared(config)
    claim_folder(prepared.results, prepared.graph, prepared.data.audit)
    journal = Journal(Storage("runs"), config.name)
    book = Book(journal, Pipeline.of(prepared.graph, prepared.store))
    book.draw_from_chosen()
    Retention(book).after_scoring()
