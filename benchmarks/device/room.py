"""What a device has room for: snapshots, batches that do not fit, two processes at once."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing as multiprocessing

from benchmarks.device.clock import seconds
from benchmarks.device.figure import Figure
from benchmarks.device.sizes import Size, recipe
from doge_ray.stages.memory import in_parts_that_fit
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from tests.stages.trainings import Folder

STEPS = 20


def snapshot(size: Size, device: torch.device) -> Figure:
    """How long a training stands still for its state, and how long it is written beside it."""
    data, model = size.data(2 * size.rows), size.model().to(device)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Folder(Path(scratch) / "snapshot")
        training = Training(model, data, recipe(size), World(0, 1, device), folder)
        training.train_epoch()
        training.step(np.arange(size.rows))
        training.progress.steps = 1  # in mid-epoch it holds the best weights besides
        still = seconds(training.save, device)
        written = seconds(training.writer.finish, device)
        size_of = sum(file.stat().st_size for file in folder.path.rglob("*") if file.is_file())
    what = f"{size.name}, a snapshot of {size_of / 2**20:,.0f} MiB"
    return Figure(what, f"{1e3 * still:.0f} ms still", f"{written:.1f} s written beside")


def retry(device: torch.device) -> Iterator[Figure]:
    """The memory that is kept when a batch did not fit and its halves did."""
    if device.type != "cuda":
        return
    total = torch.cuda.get_device_properties(device).total_memory
    before = torch.cuda.memory_allocated(device)
    most = torch.cuda.memory_reserved(device) + 2**30
    torch.cuda.set_per_process_memory_fraction(most / total, device)
    taken: list[int] = []

    def work(rows: np.ndarray) -> None:
        torch.empty(len(rows), 2**20, device=device).add_(1)  # 4 MiB a row
        taken.append(len(rows))

    try:
        in_parts_that_fit(work, np.arange(512))
        kept = (torch.cuda.memory_allocated(device) - before) / 2**20
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
    told = f"{kept:.0f} MiB kept, {len(taken)} parts"
    yield Figure("2 GiB of a batch where 1 GiB is free", told, "0 MiB", kept < 1)


def together(size: Size, device: torch.device) -> Figure:
    """Two trainings on one device at once, beside one alone."""
    alone, both = (_rate(size, device, processes) for processes in (1, 2))
    what = f"{size.name}, two processes on the device"
    return Figure(what, f"{both:.1f} examples/s", f"{both / alone:.2f} of one alone")


def _rate(size: Size, device: torch.device, processes: int) -> float:
    """Examples a second of all processes, while all of them train."""
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(processes), context.Queue()
    given = (size, str(device), barrier, queue)
    started = [context.Process(target=_train, args=given, daemon=True) for _ in range(processes)]
    for process in started:
        process.start()
    found = [queue.get(timeout=600) for _ in started]
    for process in started:
        process.join()
    return processes * STEPS * size.rows / max(found)


def _train(size: Size, place: str, barrier: object, queue: object) -> None:
    device = torch.device(place)
    torch.set_num_threads(1)
    data, model = size.data(2 * size.rows), size.model().to(device)
    training = Training(model, data, recipe(size), World(0, 1, device))
    training.network.train()
    rows = np.arange(size.rows)
    for _ in range(2):
        training.step(rows)
    barrier.wait(timeout=300)  # type: ignore[attr-defined]

    def train() -> None:
        for _ in range(STEPS):
            training.step(rows)

    began = time.perf_counter()
    seconds(train, device)
    queue.put(time.perf_counter() - began)  # type: ignore[attr-defined]
