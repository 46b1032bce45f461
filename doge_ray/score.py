"""``python -m doge_ray.score NAME model=DIR out=FILE [key=value ...]``: score any fine-tuned model.

NAME is a sweep; its data section says on which source domains. Writes a Parquet table with one
row per domain and unit.
"""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from doge_ray.command import run_command
from doge_ray.config import load_config
from doge_ray.config.document import sweep_parser
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.store.storage import Storage
from doge_ray.errors import InputError
from doge_ray.shell import called
from doge_ray.terminal import write


def main(arguments: Sequence[str]) -> None:
    """Parse the command line and write the score table."""
    options = _parser().parse_intermixed_args(arguments)
    outs = [pair for pair in options.overrides if pair.startswith("out=")]
    if len(outs) != 1 or not any(pair.startswith("model=") for pair in options.overrides):
        raise InputError("name the model and the table to write: model=DIR out=FILE")
    out = Path(outs[0].removeprefix("out="))
    if not out.parent.is_dir():
        raise InputError(f"out={str(out)!r}: there is no folder {str(out.parent)!r}; make it first")
    if out.is_dir() or not os.access(out if out.exists() else out.parent, os.W_OK):
        raise InputError(f"out={str(out)!r} cannot be written; name a file that can")
    config = load_config(options.name, [pair for pair in options.overrides if pair not in outs])
    Storage(config.storage).check_writable()
    corpus = load_corpus(config.data)
    model_folder = find_model(config.model)

    # Torch and Ray take seconds to import: what is quickly checked was checked before.
    from doge_ray.engine.cluster.start import ray_cluster
    from doge_ray.engine.work.scoring import model_to_score

    model = model_to_score(config, corpus, model_folder)
    with ray_cluster(config, options.address) as decided:
        shutil.copyfile(model.on(decided).score(), out)
    domains = model.data.source_domains
    write(f"{out}: {len(model.data.train)} examples of {', '.join(domains)}")


def _parser() -> argparse.ArgumentParser:
    parser = sweep_parser(
        called("score"),
        "Score every head and FFN block of a fine-tuned model per source domain.",
        "model=DIR, the model to score; out=FILE, the table to write; other settings",
    )
    parser.add_argument("--address", help="of a Ray cluster; default: RAY_ADDRESS, or this machine")
    return parser


if __name__ == "__main__":
    run_command(main)
