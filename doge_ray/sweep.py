"""``python -m doge_ray.sweep NAME [key=value ...]``: find and compare tickets.

NAME is a sweep, or a list of several that run one after the other.

The steps are the paper's (figure 2): fine-tune, score, draw tickets, rewind, measure on domains
never seen. What is published already is found, not computed, so the same command goes on after
any interruption.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from doge_ray.command import run_command
from doge_ray.config import Parts, SweepConfig, load_config, load_parts, sweep_files
from doge_ray.config.document import sweep_parser
from doge_ray.domains.audit import audit_overview
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.store.storage import Storage
from doge_ray.errors import InputError
from doge_ray.redact import redacted, without_user
from doge_ray.shell import called, command_line, quoted
from doge_ray.terminal import make_console, say

if TYPE_CHECKING:
    from rich.console import Console

    from doge_ray.engine.prepare import Prepared


def main(arguments: Sequence[str]) -> None:
    """Parse the command line; run the sweep or the several that it consists of, here or there."""
    options = _parser().parse_intermixed_args(arguments)
    if options.gpus and not options.dry_run:
        raise InputError(
            f"--gpus {options.gpus} tells how long a sweep would take; add --dry-run, or name a "
            "cluster with --address: its sweeps use all the GPUs it has"
        )
    sweep = load_parts(options.name, options.overrides) or load_config(
        options.name, options.overrides
    )
    if options.submit:
        from doge_ray.engine.cluster.submission import submit

        files = sweep_files(options.name)
        sys.exit(submit(sweep.name, files, options.overrides, options.address))
    elif isinstance(sweep, Parts):
        run_all(sweep, options)
    else:
        run_one(sweep, options)


def run_one(config: SweepConfig, options: argparse.Namespace) -> None:
    """One sweep, or its plan."""
    Storage(config.storage).check_writable()
    _require_health(config.storage, [config], options)
    corpus = load_corpus(config.data)
    model_folder = find_model(config.model)

    # Torch, Ray and MLflow take seconds to import: what is quickly checked was checked before.
    from doge_ray.engine.prepare import prepare

    _start(prepare(config, corpus, model_folder), make_console(), options)


def run_all(parts: Parts, options: argparse.Namespace) -> None:
    """Several sweeps, all of them checked before the first begins."""
    configs = [part.config for part in parts.parts]
    Storage(parts.storage).check_writable()
    _require_health(parts.storage, configs, options)
    folders = [find_model(config.model) for config in configs]

    from doge_ray.engine.parts import run_parts
    from doge_ray.engine.prepare import prepare
    from doge_ray.engine.results.combined import check_parts_folder, publish_combined
    from doge_ray.reporting.combined import combined
    from doge_ray.reporting.tables import terminal

    check_parts_folder(parts)
    # One corpus at a time is in memory; what is kept of it is mapped from disk.
    prepared = [
        prepare(config, load_corpus(config.data), folder)
        for config, folder in zip(configs, folders, strict=True)
    ]
    console = make_console()
    start = partial(_start, console=console, options=options)
    if options.dry_run:
        for sweep in prepared:
            start(sweep)
        return
    try:
        run_parts(parts, prepared, start)
    finally:
        console.print(terminal(combined(publish_combined(parts.name, parts.storage)), parts.name))
    say(console, "results", quoted(Storage(parts.storage).below(parts.name)))


def _require_health(
    storage: str, configs: Sequence[SweepConfig], options: argparse.Namespace
) -> None:
    """Look at a cluster before anything is fetched or computed for it."""
    if not options.dry_run and (options.address or "RAY_ADDRESS" in os.environ):
        from doge_ray.engine.doctor.checkup import require_health

        uses_gpus = any(config.resources.gpus_per_worker != 0 for config in configs)
        require_health(storage, uses_gpus, options.address, make_console())


def _start(prepared: Prepared, console: Console, options: argparse.Namespace) -> None:
    console.print(audit_overview(prepared.data.audit))
    if options.dry_run:
        from doge_ray.engine.dry_run import print_plan

        print_plan(prepared, console, options.gpus)
    else:
        run(prepared, console, options.address)


def run(prepared: Prepared, console: Console, address: str | None = None) -> None:
    """The whole of a sweep; Ctrl-C leaves the tables of what there is."""
    from doge_ray.engine.cluster.start import ray_cluster
    from doge_ray.engine.search.progress import SweepProgress
    from doge_ray.engine.sweep import Sweep, furnished, is_finished
    from doge_ray.reporting.comparison import with_oracle
    from doge_ray.reporting.tables import terminal

    config, progress = prepared.config, SweepProgress(console)
    with ExitStack() as stack:
        stack.enter_context(prepared.store.locked())
        if not is_finished(prepared):
            with furnished(prepared):
                prepared = prepared.on(stack.enter_context(ray_cluster(config, address)))
        stack.enter_context(progress.live(_num_trials(config)))
        sweep = Sweep.start(prepared, progress)
        try:
            sweep.run()
            records = sweep.publish()
        except BaseException:
            sweep.interrupt()
            raise
    console.print(terminal(with_oracle(records), records.name))
    say(console, "results", quoted(prepared.results.below(config.name)))
    say(console, "compare", _compare(sweep.diary.tracker.uri))


def _compare(uri: str) -> str:
    """A server's page, or the command that shows a database file."""
    if uri.startswith("http"):
        return without_user(uri)
    return command_line("mlflow", "ui", "--backend-store-uri", redacted(uri))


def _num_trials(config: SweepConfig) -> int:
    return len(config.methods) * (config.search.num_trials + config.replicates)


def _parser() -> argparse.ArgumentParser:
    parser = sweep_parser(
        called("sweep"),
        "Find and compare tickets: fine-tune, score, draw, rewind, measure.",
        "change a setting; of several sweeps in all of them, PART:key=value in one",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--dry-run", action="store_true", help="print the plan and its cost")
    where.add_argument(
        "--submit",
        action="store_true",
        help="run it on a cluster as a Ray job that outlives this command, and follow it; the same "
        "command finds it again",
    )
    parser.add_argument(
        "--gpus",
        type=_number,
        metavar="N",
        help="with --dry-run: tell also how long it would take on N GPUs like the device here",
    )
    parser.add_argument(
        "--address",
        help="of a Ray cluster, HOST:6379; default: RAY_ADDRESS, or this machine. With --submit, "
        "of its job server; default: RAY_API_SERVER_ADDRESS, or http://127.0.0.1:8265",
    )
    return parser


def _number(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of GPUs; give 1 or more")
    return int(text)


if __name__ == "__main__":
    run_command(main)
