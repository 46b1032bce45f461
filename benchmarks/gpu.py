"""What a device computes, and how fast (``python -m benchmarks.gpu``): one table.

Needs torch, transformers, accelerate and this checkout; no Ray, no MLflow, no data and no model:
networks have BERT's sizes and random weights. With ``--device cpu`` everything that a processor
can show is shown on a tiny network, in a minute; on a GPU it takes less than 25. Exits with 1
where something that should hold does not.
"""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Iterator, Sequence

import torch
from rich.console import Console
from rich.table import Table
from transformers.utils import logging

from benchmarks.device.correctness import correctness
from benchmarks.device.figure import Figure
from benchmarks.device.room import retry, snapshot, together
from benchmarks.device.scoring import scoring
from benchmarks.device.sizes import BASE, LARGE, TINY, Size
from benchmarks.device.steps import steps
from doge_ray.command import run_command


def figures(device: torch.device, sizes: Sequence[Size], compiled: bool) -> Iterator[Figure]:
    """Everything, as it is found."""
    yield from correctness(device)
    for size in sizes:
        yield from steps(size, device, compiled)
        _let_go()
        yield from scoring(size, device)
        _let_go()
        yield snapshot(size, device)
        _let_go()
    yield from retry(device)
    yield together(sizes[0], device)


def _let_go() -> None:
    """Give the memory of trainings that are over back: they are cycles, which wait to be found."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def main(arguments: Sequence[str]) -> None:
    """Print a line for each figure."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    options.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    options.add_argument("--compiled", action="store_true", help="torch.compile too")
    given = options.parse_args(arguments)
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # the Trainer takes all that it sees
    device = torch.device(given.device)
    logging.set_verbosity_error()
    if device.type == "cpu":
        torch.set_num_threads(1)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "a processor"
    table = Table("what", "found", "beside", "holds", title=f"on {name}, torch {torch.__version__}")
    console, failed = Console(), False
    sizes = (BASE, LARGE) if device.type == "cuda" else (TINY,)
    try:
        with console.status("") as status:
            for figure in figures(device, sizes, given.compiled):
                status.update(f"after: {figure.what}")
                holds = {None: "", True: "yes", False: "NO"}[figure.holds]
                table.add_row(figure.what, figure.found, figure.beside, holds)
                failed |= figure.holds is False
    finally:
        console.print(table)  # what was found, also where something fails
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    run_command(main)
