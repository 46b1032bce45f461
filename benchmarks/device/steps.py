"""Training steps, beside those of Hugging Face's Trainer at its best."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from benchmarks.device.clock import usual, wait
from benchmarks.device.figure import Figure
from benchmarks.device.sizes import Size, recipe
from doge_ray.domains.encoded import Encoded
from doge_ray.stages.precision import compute_type
from doge_ray.stages.training import Training
from doge_ray.stages.world import World

STEPS = 20


def steps(size: Size, device: torch.device, compiled: bool) -> Iterator[Figure]:
    """Ours, the Trainer's and, if asked for, ours compiled."""
    computed = str(compute_type(device, "auto")).removeprefix("torch.")
    what = f"{size.name}, a step of {size.rows} × {size.tokens} in {computed}"
    training = _training(size, device)
    if device.type == "cuda":
        yield _waits(what, training)
    ours = _seconds(training, device)
    tera = size.step_flops / ours / 1e12
    yield Figure(what, f"{size.rows / ours:.1f} examples/s", f"{tera:.3g} TFLOP/s")
    yield _without_padding(what, training, ours, device)
    theirs = _trainers(size, device)
    told = f"{size.rows / theirs:.1f} examples/s"
    yield Figure(f"{what}, of the Trainer", told, f"ours: {theirs / ours:.2f} times as fast")
    if compiled:
        yield _compiled(what, training, ours, device)


def _training(size: Size, device: torch.device) -> Training:
    data, model = size.data(4 * size.rows), size.model().to(device)
    training = Training(model, data, recipe(size), World(0, 1, device))
    training.network.train()
    return training


def _seconds(training: Training, device: torch.device) -> float:
    rows = np.arange(training.recipe.batch_size)
    return usual(lambda: training.step(rows), device, STEPS)


def _waits(what: str, training: Training) -> Figure:
    """Whether the host waits for the device within a step, as CUDA sees it."""
    rows = np.arange(training.recipe.batch_size)
    training.step(rows)  # the first one makes what lasts
    torch.cuda.set_sync_debug_mode("error")
    try:
        training.step(rows)
        found = "none"
    except RuntimeError as error:
        found = str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return Figure(f"{what}: waits of the host", found, "none", found == "none")


def _without_padding(what: str, training: Training, padded: float, device: torch.device) -> Figure:
    """The same step, where one token in sixteen is left out."""
    told = training.recipe
    training.recipe = replace(told, padding_free=True)
    each = _seconds(training, device)
    training.recipe = told
    found = f"{told.batch_size / each:.1f} examples/s"
    return Figure(
        f"{what}, padding (1 token in 16) left out", found, f"{padded / each:.2f} times as fast"
    )


def _compiled(what: str, training: Training, plain: float, device: torch.device) -> Figure:
    training.network = torch.compile(training.network, dynamic=True)
    started = time.perf_counter()
    training.step(np.arange(training.recipe.batch_size))
    wait(device)
    first = time.perf_counter() - started
    each = _seconds(training, device)
    pays = f"after {first / (plain - each):,.0f} steps" if each < plain else "never"
    told = f"{training.recipe.batch_size / each:.1f} examples/s"
    return Figure(f"{what}, compiled in {first:.0f} s", told, f"pays {pays}")


class _Rows(Dataset[dict[str, Any]]):
    def __init__(self, data: Encoded) -> None:
        batch = data.train.batch(np.arange(len(data.train)))
        self._rows = [{n: t[row] for n, t in batch.items()} for row in range(len(data.train))]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._rows[index]


class _Clock(TrainerCallback):
    def __init__(self, device: torch.device) -> None:
        self.device, self.ends = device, [time.perf_counter()]

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        wait(self.device)
        self.ends.append(time.perf_counter())


def _trainers(size: Size, device: torch.device) -> float:
    clock, dtype = _Clock(device), compute_type(device, "auto")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(None):
        told = TrainingArguments(
            folder,
            use_cpu=device.type == "cpu",
            bf16=dtype == torch.bfloat16,
            fp16=dtype == torch.float16,
            per_device_train_batch_size=size.rows,
            max_steps=STEPS + 2,
            learning_rate=2e-5,
            optim="adamw_torch_fused",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        rows = _Rows(size.data(4 * size.rows))
        Trainer(size.model(), told, train_dataset=rows, callbacks=[clock]).train()
    return float(np.median(np.diff(clock.ends)[2:]))
