"""Small encoded corpora whose classes a tiny network can learn. Shapes: N rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from doge_ray.domains.audit import Audit
from doge_ray.domains.encoded import Encoded
from doge_ray.domains.rows import EncodedSplit, Padding
from tests.encoders.networks import NUM_LABELS, PADDING, VOCABULARY

MAX_LENGTH = 28
DOMAINS = ("books", "tools")
TARGETS = ("games", "songs", "films")


def random_split(num_rows: int, domains: tuple[str, ...] = DOMAINS, seed: int = 0) -> EncodedSplit:
    """Rows of mixed lengths; half of a row's tokens tell its class. Domains differ in size."""
    rng = np.random.default_rng(seed)
    labels_N = rng.permutation(num_rows) % NUM_LABELS
    lengths_N = rng.integers(2, MAX_LENGTH + 1, num_rows)
    starts_N = np.cumsum(lengths_N) - lengths_N
    tokens = rng.integers(3 + NUM_LABELS, VOCABULARY, lengths_N.sum())
    telling = rng.random(len(tokens)) < 0.5
    telling[starts_N] = True
    tokens[telling] = 3 + np.repeat(labels_N, lengths_N)[telling]
    return EncodedSplit(
        domains_N=(np.arange(num_rows) % (len(domains) + 1) % len(domains)).astype(np.int32),
        labels_N=labels_N.astype(np.int32),
        truncated_N=np.zeros(num_rows, bool),
        duplicated_N=rng.random(num_rows) < 0.3,
        starts_N=starts_N.astype(np.int32),
        lengths_N=lengths_N.astype(np.int32),
        tokens={"input_ids": tokens.astype(np.int32)},
        padding=Padding(PADDING, "right", MAX_LENGTH),
    )


def random_corpus(num_rows: int) -> Encoded:
    """``num_rows`` rows to train on, and some to choose and to test by."""
    return Encoded(
        "",
        DOMAINS,
        TARGETS,
        Audit(tuple("abc"), MAX_LENGTH, ()),
        train=random_split(num_rows, seed=1),
        dev=random_split(30, seed=2),
        test=random_split(50, TARGETS, seed=3),
    )


def misleading_corpus() -> Encoded:
    """What is learned on train is wrong on dev: the dev metric falls while the loss does."""
    data = random_corpus(48)
    wrong_N = (data.dev.labels_N + 1) % NUM_LABELS
    return replace(data, dev=replace(data.dev, labels_N=wrong_N))


def reordered(split: EncodedSplit, rows: NDArray[np.int64]) -> EncodedSplit:
    """The given rows of a split, in the given order."""
    columns = ("domains_N", "labels_N", "truncated_N", "duplicated_N", "starts_N", "lengths_N")
    return replace(split, **{name: getattr(split, name)[rows] for name in columns})
