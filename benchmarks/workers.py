"""What it costs to spread a training over devices (``python -m benchmarks.workers``).

The same global batch by 1, 2, 4, ... workers, each on a device of its own (a thread of a processor,
or a GPU), with gradients exchanged as in a sweep. A sweep has many trainings, so what counts for it
is examples a second and device: spreading pays where a training does not fit on one device, or
where there are fewer trainings than devices. With one device, a stated one is calculated from:
``--flops`` and ``--bandwidth``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing

from benchmarks.device.clock import seconds
from benchmarks.device.sizes import BASE, LARGE, TINY, Size, recipe
from doge_ray.command import run_command
from doge_ray.stages.training import Training
from doge_ray.stages.world import World

SMALL = Size("MiniLM", layers=6, width=384, heads=12, rows=32, tokens=64)
SIZES = {size.name: size for size in (TINY, SMALL, BASE, LARGE)}
WORKERS = (1, 2, 4, 8)


def measured(size: Size, workers: int, device: str, steps: int) -> float:
    """Seconds of a step, by as many workers as there are."""
    with tempfile.TemporaryDirectory() as scratch:
        given = (workers, size, device, steps, scratch)
        multiprocessing.spawn(_train, given, nprocs=workers)
        return float((Path(scratch) / "seconds").read_text())


def _train(rank: int, workers: int, size: Size, kind: str, steps: int, scratch: str) -> None:
    torch.set_num_threads(1)
    device = torch.device(kind, rank) if kind == "cuda" else torch.device(kind)
    if workers > 1:
        backend = "nccl" if kind == "cuda" else "gloo"
        store = f"file://{scratch}/store"
        dist.init_process_group(backend, init_method=store, rank=rank, world_size=workers)
    data, model = size.data(2 * size.rows), size.model().to(device)
    training = Training(model, data, recipe(size), World(rank, workers, device))
    training.network.train()
    rows = np.arange(size.rows)
    taken = [seconds(lambda: training.step(rows), device) for _ in range(steps + 2)]
    if rank == 0:
        (Path(scratch) / "seconds").write_text(str(statistics.median(taken[2:])))
    if workers > 1:
        dist.destroy_process_group()


def calculated(size: Size, workers: int, flops: float, bandwidth: float) -> float:
    """Seconds of a step on devices of a stated speed.

    A ring sends 2 (w - 1) / w of the gradients' four bytes a weight through each device; it goes on
    beside the backward pass, two thirds of the work, and what is left of it is waited for.

    Args:
        size: of the network and its global batch.
        workers: w.
        flops: that a device does in a second.
        bandwidth: bytes that it sends in a second.
    """
    work = size.step_flops / flops / workers
    weights = size.layers * 12 * size.width**2 + (size.vocabulary + 512) * size.width
    exchange = 2 * (workers - 1) / workers * 4 * weights / bandwidth
    return work + max(0.0, exchange - 2 / 3 * work)


def main(arguments: Sequence[str]) -> None:
    """Print a line for each number of workers."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.workers", description=__doc__)
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--size", choices=SIZES, default=SMALL.name)
    options.add_argument("--workers", type=int, nargs="+", default=WORKERS[:2])
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--flops", type=float, help="of a device, a second; calculates only")
    options.add_argument("--bandwidth", type=float, default=10e9, help="bytes a second")
    given: Any = options.parse_args(arguments)
    size = SIZES[given.size]
    how = "calculated" if given.flops else f"measured on {given.device}"
    print(f"{size.name}, a global batch of {size.rows} x {size.tokens} tokens, {how}")
    print("workers  s a step  examples/s  to first  examples/s and device")
    first = 0.0  # as if it were one worker's, so many times as fast
    for workers in given.workers:
        if given.flops:
            step = calculated(size, workers, given.flops, given.bandwidth)
        else:
            step = measured(size, workers, given.device, given.steps)
        first = first or step * workers
        rate = size.rows / step
        share = rate / workers
        print(f"{workers:7}{step:10.3f}{rate:12.1f}{first / step:10.2f}{share:12.1f}")


if __name__ == "__main__":
    run_command(main)
