"""Small tagged corpora that a tiny network can learn. Shapes: N rows, W words."""

from __future__ import annotations

import numpy as np

from doge_ray.domains.audit import Audit
from doge_ray.domains.encoded import Encoded
from doge_ray.domains.rows import Examples, TaggedSplit
from tests.encoders.networks import NUM_LABELS
from tests.stages.corpora import DOMAINS, MAX_LENGTH, TARGETS, random_split

TAGS = ("O", "B-PER", "I-PER")


def random_tagged_split(
    num_rows: int, domains: tuple[str, ...] = DOMAINS, seed: int = 0
) -> TaggedSplit:
    """Every sentence in one row or two; about half of the tokens begin a word, and tell its tag.

    After every row stands a word that is not read.
    """
    rows, rng = random_split(num_rows, domains, seed), np.random.default_rng(seed + 1)
    begins = rng.random(len(rows.tokens["input_ids"])) < 0.5
    begins[rows.starts_N] = True
    row_of_word = np.repeat(np.arange(num_rows), rows.lengths_N)[begins]
    words = np.full(len(begins), -1, np.int32)
    words[begins] = np.arange(begins.sum()) + row_of_word
    tags_W = rng.integers(0, NUM_LABELS, begins.sum() + num_rows).astype(np.int32)
    tokens = rows.tokens["input_ids"].copy()
    tokens[begins] = 3 + tags_W[words[begins]]
    ends_N = np.cumsum(np.bincount(row_of_word) + 1)
    # Rows 0 and 1 are two windows of one sentence.
    sentence_N = np.maximum(np.arange(num_rows) - 1, 0)
    first_row_M = np.concatenate([[0], np.arange(2, num_rows)])
    measured = Examples(rows.domains_N[first_row_M], rows.duplicated_N[first_row_M])
    return TaggedSplit(
        domains_N=measured.domains_M[sentence_N],
        truncated_N=rows.truncated_N,
        duplicated_N=measured.duplicated_M[sentence_N],
        starts_N=rows.starts_N,
        lengths_N=rows.lengths_N,
        tokens={"input_ids": tokens},
        padding=rows.padding,
        words=words,
        tags_W=tags_W,
        sentences=np.concatenate([[0], ends_N[1:]]).astype(np.int32),
        measured=measured,
    )


def random_tagged_corpus(num_rows: int) -> Encoded:
    """``num_rows`` rows to train on, and some to choose and to test by."""
    return Encoded(
        "",
        DOMAINS,
        TARGETS,
        Audit(TAGS, MAX_LENGTH, ()),
        train=random_tagged_split(num_rows, seed=1),
        dev=random_tagged_split(30, seed=2),
        test=random_tagged_split(50, TARGETS, seed=3),
    )
