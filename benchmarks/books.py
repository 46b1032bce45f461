"""What the books of a large sweep cost (``python -m benchmarks.books``).

A sweep is made up, trials and results, as if ten epochs had been trained each time; nothing is
computed. Then: ``doge-ray report`` in a process of its own, with and without the index of what is
published; a driver's look at what is done; and, trial by trial with real trainings of a tiny
network on a bucket, the requests that reach the bucket.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from doge_ray.command import run_command
from doge_ray.config import Range, SweepConfig, load_config
from doge_ray.domains.audit import Audit
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.engine.results.folder import claim_folder
from doge_ray.engine.search.agenda import Agenda
from doge_ray.engine.store import StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.work.graph import PREDICTIONS, SCORES, Graph, ModelFacts
from doge_ray.engine.work.jobs import EvaluationJob, Job, ScoringJob
from doge_ray.engine.work.task import Task
from doge_ray.engine.work.training import TrainingJob
from doge_ray.seeds import derive_seed, trial_seed
from doge_ray.stages.score_table import write_scores
from doge_ray.stages.world import World
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import UnitParameters
from tests.engine.agenda import Untracked, open_agenda, take
from tests.engine.bucket import ENVIRONMENT, Bucket
from tests.engine.project import make_project
from tests.engine.test_choice import CONFIG, some_graph

EPOCHS, ROWS = 10, 600
TARGETS = ("grey", "black")
BERT = ModelFacts("model-1", 12, 12, UnitParameters(196_608, 4_722_432, 85_054_464))


def large_sweep(folder: Path, trials: int, domains: int) -> Graph:
    """A sweep of four methods over a BERT-base."""
    search = {
        "num_trials": trials // 4,
        "max_concurrent": 8,
        "sampler": "random",
        "learning_rate": Range(low=1e-5, high=1e-3, log=True),
        "batch_size": (16, 32),
    }
    update = {"search": CONFIG.search.model_copy(update=search), "storage": str(folder)}
    graph = replace(some_graph(), config=CONFIG.model_copy(update=update), model=BERT)
    claim_folder(Storage(str(folder)), graph, Audit(_sources(domains), 8, ()))
    return graph


def make_up(agenda: Agenda, domains: int) -> None:
    """Let every task of an agenda be done."""
    while tasks := take(agenda):
        for task in tasks:
            for job in task.jobs:
                _publish(job, domains)
            agenda.finished(task, task.published(StageStore(agenda.diary.pipeline.store.root)))


def _publish(job: Job, domains: int) -> None:
    digest, store = job.stage.digest, StageStore(job.store.root)
    metric = 0.5 + derive_seed(0, digest) % 1000 / 4000
    if isinstance(job, TrainingJob):
        if job.evaluation is not None:
            _publish(job.evaluation, domains)
        dev = dict.fromkeys(_sources(domains), metric)
        history = [
            {"epoch": n + 1, "loss": 1 / (n + 1), "dev_metric": metric, "dev": dev, "seconds": 1.5}
            for n in range(EPOCHS)
        ]
        result = {"epochs": EPOCHS, "best_epoch": 1, "seconds": 15.0, "dev": dev}
        kept = (lambda to: (to / "weights").write_text("w")) if metric >= job.keep_from else None
        store.put(job.stage, result | {"history": history, "dev_metric": metric}, kept)
    elif isinstance(job, EvaluationJob):
        target = dict.fromkeys(TARGETS, metric)
        told = {"target": target, "target_deduplicated": target}
        told |= {"target_metric": metric, "target_metric_deduplicated": metric}
        store.put(job.stage, told, lambda to: _write_predictions(to, derive_seed(1, digest)))
    elif isinstance(job, ScoringJob):
        moments = _moments(_sources(domains), derive_seed(0, digest))
        told = {"seconds": 1.0}
        store.put(
            job.stage, told, lambda to: write_scores(to / SCORES, moments, job.parameters, {})
        )
    else:
        store.put(job.stage, {"seconds": 1.0})


def _write_predictions(folder: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, 2, ROWS)
    matched = (draw.random(ROWS) < 0.7).astype(int)
    table = {
        "domain": [TARGETS[row % len(TARGETS)] for row in range(ROWS)],
        "label": labels,
        "prediction": np.where(matched, labels, 1 - labels),
        "duplicate": np.zeros(ROWS, bool),
        "matched": matched,
        "predicted": np.ones(ROWS, int),
        "expected": np.ones(ROWS, int),
    }
    pq.write_table(pa.table(table), folder / PREDICTIONS)


def _moments(domains: tuple[str, ...], seed: int) -> Moments:
    draw = np.random.default_rng(seed)
    zeros = Moments.zeros(domains, BERT.num_layers, BERT.num_heads)
    sums = {name: draw.random(value.shape) for name, value in vars(zeros).items() if "sum" in name}
    return replace(zeros, count_D=np.full(len(domains), 100.0), **sums)


def _sources(domains: int) -> tuple[str, ...]:
    return tuple(f"domain-{n}" for n in range(domains))


def report(folder: Path) -> tuple[float, float]:
    """Seconds and MiB of memory of ``doge-ray report``."""
    started = time.monotonic()
    command = [sys.executable, "-m", "doge_ray.report", CONFIG.name, f"storage={folder}"]
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.monotonic() - started
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def look(folder: Path, graph: Graph) -> float:
    """Seconds until a driver knows that nothing is left to do."""
    started = time.monotonic()
    with patch.object(Untracked, "is_closed", lambda self, name: True):  # as it is after a sweep
        agenda = open_agenda(folder, graph)
        is_over = agenda.next() is None and agenda.is_over
    if not is_over:
        raise RuntimeError("something is left to do")
    return time.monotonic() - started


def requests(folder: Path) -> Counter[int]:
    """How many trials of a tiny sweep on a bucket made how many requests, from begin to end."""
    bucket, log = Bucket(), []
    bucket.refuses = lambda method, path: bool(log.append((method, path)))
    found: Counter[int] = Counter()
    with bucket.served(), patch.dict(os.environ, {"MLFLOW_TRACKING_URI": f"sqlite:///{folder}/m"}):
        search = {"num_trials": 6, "learning_rate": {"low": 0.001, "high": 0.01}}
        path = make_project(folder, search=search)
        config = load_config(str(path), [f"storage={bucket.uri}", "train.max_epochs=1"])
        for task, number in _counted(config, log):
            if task.assignment is not None:
                found[number] += 1
    return found


def _counted(config: SweepConfig, log: list[Any]) -> list[tuple[Task, int]]:
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    for replicate in range(config.replicates + 1):
        prepared.initialise(trial_seed(config.seed, replicate))
    agenda, world = open_agenda(prepared.results, prepared.graph), World(0, 1, torch.device("cpu"))
    process, counted = StageStore(prepared.store.root), []
    while True:
        log.clear()
        tasks = take(agenda)
        if not tasks:
            return counted
        (task,) = tasks  # one at a time
        process.forget()
        for job in task.jobs:
            _in_process(job, process).run(world, lambda epoch: None)
        agenda.finished(task, task.published(process))
        counted.append((task, len(log)))


def _in_process(job: Job, store: StageStore) -> Job:
    """A job as it is once it has travelled to a process."""
    if isinstance(job, TrainingJob) and job.evaluation is not None:
        job = replace(job, evaluation=replace(job.evaluation, store=store))
    return replace(job, store=store)


def main(arguments: Sequence[str]) -> None:
    """Print a line for each figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.books", description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--domains", type=int, default=3, help="source domains; default: 3")
    given = parser.parse_args(arguments)
    os.environ |= ENVIRONMENT
    with tempfile.TemporaryDirectory() as scratch, patch("doge_ray.atomic._sync"):
        folder = Path(scratch) / "large"
        graph = large_sweep(folder, given.trials, given.domains)
        agenda = open_agenda(folder, graph)
        make_up(agenda, given.domains)
        print(f"{len(agenda.diary.book.entries)} trials, {given.domains} source domains, BERT-base")
        for name in ("first", "again"):
            seconds, memory = report(folder)
            print(f"report, {name}: {seconds:.1f} s, {memory:.0f} MiB")
        print(f"all found done: {look(folder, graph):.1f} s, without the start of a process")
        with patch.dict(os.environ, {"DOGE_RAY_CACHE": f"{scratch}/cache"}):
            found = requests(Path(scratch) / "tiny")
    trials = sum(found.values())
    mean = sum(number * times for number, times in found.items()) / trials
    told = ", ".join(f"{number}: {found[number]}" for number in sorted(found))
    print(f"requests of a trial on a bucket: {mean:.1f} in the mean of {trials} ({told})")


if __name__ == "__main__":
    run_command(main)
