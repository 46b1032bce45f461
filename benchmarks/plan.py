"""Whether a plan can be trusted (``python -m benchmarks.plan``), held against real sweeps.

The quickstart on 1, 2 and 4 processes of a Ray that has as many processors as that. Beside the time
from the first training's begin to the last one's end stand what the plan said before it, from
speeds measured on one process alone, and what the schedule says with the seconds that each stage
really took. On fewer processors than processes the first is too low, as they share them; the
second tells how well the schedule is carried out.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from doge_ray.command import run_command
from doge_ray.config import SweepConfig, load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.forecast import TASK_SECONDS, Forecast, measure
from doge_ray.engine.prepare import prepare
from doge_ray.engine.results.reading import open_book
from doge_ray.engine.schedule.schedule import Effort
from doge_ray.engine.schedule.simulation import simulate
from doge_ray.engine.schedule.steps import ACTIVATIONS, Shape, Step, steps_of
from doge_ray.engine.trials.book import Book

NAME = "quickstart"
OPEN = {**os.environ, "RAY_AUTH_MODE": "disabled"}
"""Nobody else reaches a Ray on the loopback."""
TRAINED = ("training", "evaluation", "scoring", "activations")


class Held(NamedTuple):
    """Seconds of a sweep: really, and as the schedule has them with the stages' own; busy share."""

    real: float
    scheduled: float
    busy: float


@contextmanager
def ray_with(processors: int) -> Iterator[str]:
    """The address of a Ray of its own with so many processors, whatever the machine has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats"]
    where = ["--node-ip-address=127.0.0.1", f"--port={port}"]
    command = [*ray, *where, f"--num-cpus={processors}", *quiet]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=OPEN) as head:
        next(line for line in head.stdout or () if "Ray runtime started" in line)
        try:
            yield f"127.0.0.1:{port}"
        finally:
            head.terminate()  # its processes end with it


def planned(config: SweepConfig, processes: Sequence[int]) -> list[float]:
    """Seconds that the plan names for each number of processes."""
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    forecast = Forecast(prepared, measure(prepared))
    return [forecast.on(number).seconds for number in processes]


def run(settings: Sequence[str], processes: int) -> Held:
    """A real sweep."""
    with tempfile.TemporaryDirectory() as storage, ray_with(processes) as address:
        command = [sys.executable, "-m", "doge_ray.sweep", NAME, f"storage={storage}", *settings]
        environment = OPEN | {"RAY_ADDRESS": address}
        subprocess.run(command, check=True, capture_output=True, env=environment)
        return _held(open_book(NAME, storage), processes)


def _held(book: Book, processes: int) -> Held:
    config, store = book.pipeline.graph.config, book.pipeline.store
    book.draw_from_chosen()
    took = _seconds_of(book)
    scheduled = simulate(
        steps_of(Shape.of(config, processes)),
        Effort(config.train.max_epochs),
        lambda step: took.get(step, 0.0) + TASK_SECONDS * bool(took.get(step)),
        processes,
    )
    work, begins, ends = 0.0, [], []
    for path, stamp in store.stamps("").items():
        if path.startswith(TRAINED) and path.endswith("/published.json"):
            record = store.read_record(path) or {}
            seconds, end = record["result"].get("seconds") or 0.0, stamp.changed / 1e9
            work, begins, ends = work + seconds, [*begins, end - seconds], [*ends, end]
    real = max(ends) - min(begins)
    return Held(real, scheduled.seconds, work / (real * processes))


def _seconds_of(book: Book) -> dict[Step, float]:
    """What each step of a finished sweep took; a training counts once."""
    pipeline, took, seen = book.pipeline, dict[Step, float](), set[str]()
    for entry in book.entries:
        told, trial = entry.assignment, pipeline.trial(entry.assignment)
        stages = [each for each in (trial.training, trial.evaluation) if each.path not in seen]
        seen |= {stage.path for stage in stages}
        results = [pipeline.store.result(stage) or {} for stage in stages]
        number = told.replicate or told.trial
        step = Step("repeat" if told.replicate else "search", told.method, number)
        took[step] = sum(r.get("seconds") or 0.0 for r in results)
        scored = pipeline.store.result(trial.scoring)
        if told.method == "dense" and scored is not None:
            took[Step("scoring", number=told.replicate)] = scored["seconds"]
    dense = pipeline.trial(book.chosen(["dense"])["dense"].assignment)
    active = pipeline.store.result(pipeline.graph.activations(dense.training)) or {}
    took[ACTIVATIONS] = active.get("seconds") or 0.0
    return took


def main(arguments: Sequence[str]) -> None:
    """Print a line for each number of processes."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    options.add_argument("--processes", type=int, nargs="+", default=(1, 2, 4))
    options.add_argument("--limit", type=int, default=100, help="texts of a domain")
    options.add_argument("--epochs", type=int, default=1)
    given = options.parse_args(arguments)
    settings = [f"data.limit={given.limit}", f"train.max_epochs={given.epochs}"]
    with tempfile.TemporaryDirectory() as storage:
        config = load_config(NAME, [*settings, f"storage={storage}"])
        said = planned(config, given.processes)
    print(f"{os.cpu_count()} processors; seconds from the first training to the last")
    print("processes   real  the plan  with the stages' seconds   busy  RATIO to these seconds")
    for processes, plan in zip(given.processes, said, strict=True):
        held = run(settings, processes)
        print(
            f"{processes:9}{held.real:7.0f}{plan:10.0f}{held.scheduled:26.0f}"
            f"{held.busy:7.0%}{held.real / held.scheduled:10.2f}"
        )


if __name__ == "__main__":
    run_command(main)
