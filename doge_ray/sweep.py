"""``python -m doge_ray.sweep NAME [key=value ...]``: find and compare tickets.

The steps are the paper's (figure 2): fine-tune, score, draw tickets, rewind, measure on domains
never seen. What is published already is found, not computed, so the same command goes on after
any interruption.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from doge_ray.command import make_console, run_command
from doge_ray.config import SweepConfig, load_config
from doge_ray.config.document import reference
from doge_ray.domains.audit import audit_table
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.storage import Storage

if TYPE_CHECKING:
    from rich.console import Console

    from doge_ray.engine.prepare import Prepared


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and run the sweep."""
    options = _parser().parse_args(arguments)
    config = load_config(options.name, options.overrides)
    Storage(config.storage).check_writable()
    corpus = load_corpus(config.data)
    model_folder = find_model(config.model)

    # Torch, Ray and MLflow take seconds to import: what is quickly checked was checked before.
    from doge_ray.engine.plan import print_plan
    from doge_ray.engine.prepare import prepare

    prepared = prepare(config, corpus, model_folder)
    console = make_console()
    console.print(audit_table(prepared.data.audit))
    if options.dry_run:
        print_plan(prepared, console)
    else:
        run(prepared, console, options.address)


def run(prepared: Prepared, console: Console, address: str | None = None) -> None:
    """Every step of a sweep; Ctrl-C leaves the tables of what there is."""
    from doge_ray.engine.cluster import ray_cluster
    from doge_ray.engine.progress import SweepProgress
    from doge_ray.engine.sweep import Sweep
    from doge_ray.reporting.summary import comparison_table

    config, progress = prepared.config, SweepProgress(console)
    tickets = [method for method in config.methods if method != "dense"]
    with (
        prepared.store.locked(),
        ray_cluster(config, address),
        progress.live(_num_trials(config)),
    ):
        sweep = Sweep.start(prepared, progress)
        try:
            sweep.search(["dense"])
            sweep.repeat(["dense"])
            sweep.score()
            if tickets:
                sweep.search(tickets)
                sweep.repeat(tickets)
            records = sweep.publish()
        except BaseException:
            sweep.interrupt()
            raise
    console.print(comparison_table(records))
    console.print(f"results  {prepared.results.root}/{config.name}")
    console.print(f"compare  mlflow ui --backend-store-uri {sweep.tracker.uri}")


def _num_trials(config: SweepConfig) -> int:
    return len(config.methods) * (config.search.num_trials + config.replicates)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m doge_ray.sweep",
        description="Find and compare tickets: fine-tune, score, draw, rewind, measure.",
        epilog=reference(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="a sweep in sweeps/, or the path of a YAML file")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="change a setting")
    parser.add_argument("--dry-run", action="store_true", help="print the plan and its cost")
    parser.add_argument("--address", help="of a Ray cluster; default: RAY_ADDRESS, or this machine")
    return parser


if __name__ == "__main__":
    run_command(main)
