"""A whole sweep (``python -m benchmarks.sweep``), beside what one would do without it.

24 trainings on the quickstart's text, on all processors of this machine, each from the command to
the result:

- ``doge-ray sweep``: 12 trials of four methods and 12 repeats, with scores, evaluation, tracking
  and report, and what its ``--dry-run`` said before;
- ``Trainer.hyperparameter_search`` with Ray: 24 fine-tunings of the dense network, each measured on
  as many rows as dev and test have, which score nothing and prune nothing; it leaves a checkpoint
  of each;
- the naive plan: for each ticket that is drawn from scores a fine-tuning, scores example by
  example, and the training of what is left; trainings alone for the others. Calculated from one
  fine-tuning, one scoring and trainings of three tickets, which are measured here one after the
  other: without the start of any process, evaluation, or tracking.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging

from benchmarks.fine_tuning import Reviews
from benchmarks.reviews import ALONE, model_folder
from benchmarks.rewinding import tickets
from benchmarks.scoring import one_by_one
from doge_ray.command import run_command
from doge_ray.config import SweepConfig, load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.domains.encode import encode
from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.surgery import prune
from doge_ray.encoders.tokenizer import load_tokenizer
from doge_ray.stages.passes import FORWARD_BATCH
from doge_ray.stages.precision import compute_type
from doge_ray.stages.recipe import Recipe
from doge_ray.stages.snapshots import NOWHERE
from doge_ray.stages.train import train
from doge_ray.tickets.ticket import Ticket

DENSE, RANDOM, SCORED = 6, 6, 12
"""Trainings of a sweep of four methods: three trials and three repeats each."""
TRAININGS = DENSE + RANDOM + SCORED
RATES = "search.learning_rate={low: 1.0e-4, high: 4.0e-4, log: true}"
"""A range, or two trials of the dense network would be one."""
SPARSITY = 0.4  # about the middle of what the quickstart draws
RATE = 2e-4


def ours(settings: Sequence[str]) -> tuple[float, str]:
    """Seconds of the whole command, and what the plan said of it."""
    with tempfile.TemporaryDirectory() as storage:
        command = [sys.executable, "-m", "doge_ray.sweep", "quickstart", f"storage={storage}"]
        plan = subprocess.run(
            [*command, *settings, "--dry-run"], check=True, capture_output=True, text=True
        )
        started = time.perf_counter()
        subprocess.run([*command, *settings], check=True, capture_output=True)
        return time.perf_counter() - started, planned(plan.stdout)


def planned(text: str) -> str:
    """The time that a plan names, and the share of busy devices."""
    table = text[text.index("how long, at most") :]
    row = re.search(r"│ +\d+ +│ (.+?) +│ +(\d+%)", table)
    return f"{row[1]}, {row[2]} busy" if row else "nothing"


def theirs(config: SweepConfig, data: Encoded) -> float:
    """Seconds of a search by the Trainer, with Ray's start."""
    tokenizer, folder, names = load_tokenizer(model_folder()), model_folder(), data.label_names
    rows = Reviews(data, np.arange(len(data.train)))
    measured = Reviews(data, np.arange(len(data.dev) + len(data.test)) % len(data.train))
    half = compute_type(ALONE.device, config.train.precision) == torch.bfloat16
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch, ray.init("local", log_to_driver=False):
        told = TrainingArguments(
            scratch,
            use_cpu=True,
            bf16=half,
            per_device_eval_batch_size=FORWARD_BATCH,
            num_train_epochs=config.train.max_epochs,
            per_device_train_batch_size=config.search.batch_size[0],
            train_sampling_strategy="group_by_length",
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = Trainer(
            args=told,
            model_init=lambda trial=None: initial_model(folder, names, seed=0),
            data_collator=DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8),
            train_dataset=rows,
            eval_dataset=measured,
        )
        trainer.remove_callback(PrinterCallback)
        trainer.hyperparameter_search(
            hp_space=_rates,
            direction="minimize",
            backend="ray",
            n_trials=TRAININGS,
            resources_per_trial={"cpu": 1},
            storage_path=scratch,
            verbose=0,
        )
    return time.perf_counter() - started


def _rates(trial: object) -> dict[str, Any]:
    from ray import tune

    return {"learning_rate": tune.loguniform(1e-4, 4e-4)}


def naively(config: SweepConfig, data: Encoded, devices: int) -> float:
    """Seconds of as many trainings, and of a fine-tuning and scores for each scored ticket."""
    torch.set_num_threads(1)
    dense, *drawn = tickets(data, [SPARSITY], 3)
    fine_tuning = _seconds(lambda: _train(dense, config, data))
    pruned = np.mean([_seconds(lambda ticket=each: _train(ticket, config, data)) for each in drawn])
    model = initial_model(model_folder(), data.label_names, seed=0).requires_grad_(False)
    scoring = _seconds(lambda: one_by_one(model, data, np.arange(len(data.train))))
    tickets_alone = (RANDOM + SCORED) * float(pruned)
    return (DENSE * fine_tuning + tickets_alone + SCORED * (fine_tuning + scoring)) / devices


def _train(ticket: Ticket, config: SweepConfig, data: Encoded) -> None:
    model = initial_model(model_folder(), data.label_names, seed=0)
    prune(model, ticket.head_mask, ticket.ffn_mask)
    told = {name: getattr(config.train, name) for name in _TOLD}
    recipe = Recipe(RATE, config.search.batch_size[0], seed=0, **told)
    train(model, data, recipe, ALONE, NOWHERE)


_TOLD = ("max_epochs", "patience", "weight_decay", "warmup", "clip", "precision", "padding_free")


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(arguments: Sequence[str]) -> None:
    """Print a line for each side, and the ratios."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.sweep", description=__doc__)
    options.add_argument("--limit", type=int, default=150, help="texts of a domain")
    options.add_argument("--epochs", type=int, default=1)
    given = options.parse_args(arguments)
    logging.set_verbosity_error()
    settings = [f"data.limit={given.limit}", f"train.max_epochs={given.epochs}", RATES]
    config, devices = load_config("quickstart", settings), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = load_tokenizer(model_folder())
        encode(load_corpus(config.data), tokenizer, config.train.max_length, Path(folder))
        data = open_encoded(Path(folder))
    found, plan = ours(settings)
    sides = {
        "doge-ray sweep": found,
        "Trainer.hyperparameter_search": theirs(config, data),
        "the naive plan, calculated": naively(config, data, devices),
    }
    print(f"{TRAININGS} trainings of {len(data.train)} texts on {devices} processors; plan: {plan}")
    for name, each in sides.items():
        print(f"{name:<32}{each:7.0f} s")
    for name in list(sides)[1:]:
        print(f"RATIO to {name:<32}{sides[name] / found:.2f}")


if __name__ == "__main__":
    run_command(main)
