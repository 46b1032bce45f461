"""Networks of the usual sizes with random weights, and rows that they can learn.

Every eighth row is half as long, so that batches have masks as real ones have.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification, BertConfig, PreTrainedModel

from doge_ray.domains.audit import Audit
from doge_ray.domains.encoded import Encoded
from doge_ray.domains.rows import EncodedSplit, Padding
from doge_ray.stages.recipe import Recipe

LABELS = ("negative", "neutral", "positive")
SOURCES, TARGETS = ("books", "tools", "games"), ("songs",)


class Size(NamedTuple):
    """A network, and the batch that it is trained on."""

    name: str
    layers: int
    width: int
    heads: int
    rows: int
    tokens: int
    vocabulary: int = 30_522

    def model(self) -> PreTrainedModel:
        """A BERT of this size."""
        config = BertConfig(
            vocab_size=self.vocabulary,
            num_hidden_layers=self.layers,
            hidden_size=self.width,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
            num_labels=len(LABELS),
        )
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_config(config)

    def data(self, num_rows: int) -> Encoded:
        """Rows to train on, and few others."""
        splits = {"train": SOURCES, "dev": SOURCES, "test": TARGETS}
        made: dict[str, Any] = {
            name: self._split(num_rows if name == "train" else 3, domains)
            for name, domains in splits.items()
        }
        return Encoded("", SOURCES, TARGETS, Audit(LABELS, self.tokens, ()), **made)

    @property
    def step_flops(self) -> float:
        """What a training step takes: six for each weight and token, and attention's products.

        Those of padding too, one token in sixteen.
        """
        weights = self.layers * 12 * self.width**2
        attention = 12 * self.layers * self.width * self.tokens
        return self.rows * self.tokens * (6.0 * weights + attention)

    def _split(self, num_rows: int, domains: tuple[str, ...]) -> EncodedSplit:
        """Half of the tokens of a row tell its class."""
        draw = np.random.default_rng(0)
        labels_N = draw.integers(0, len(LABELS), num_rows).astype(np.int32)
        lengths_N = np.where(np.arange(num_rows) % 8 == 7, self.tokens // 2, self.tokens)
        first = 5 + len(LABELS)
        tokens = draw.integers(first, self.vocabulary, (num_rows, self.tokens), np.int32)
        telling = draw.random(tokens.shape) < 0.5
        tokens = np.where(telling, 5 + labels_N[:, None], tokens)
        return EncodedSplit(
            domains_N=(np.arange(num_rows) % len(domains)).astype(np.int32),
            labels_N=labels_N,
            truncated_N=np.zeros(num_rows, bool),
            duplicated_N=np.zeros(num_rows, bool),
            starts_N=(np.arange(num_rows) * self.tokens).astype(np.int32),
            lengths_N=lengths_N.astype(np.int32),
            tokens={"input_ids": tokens.ravel()},
            padding=Padding(0, "right", self.tokens),
        )


TINY = Size("tiny", layers=2, width=32, heads=4, rows=8, tokens=16, vocabulary=100)
BASE = Size("BERT-base", layers=12, width=768, heads=12, rows=32, tokens=256)
LARGE = Size("BERT-large", layers=24, width=1024, heads=16, rows=32, tokens=256)


def recipe(size: Size) -> Recipe:
    """How the networks here are trained."""
    return Recipe(
        learning_rate=1e-4,
        batch_size=size.rows,
        seed=0,
        max_epochs=10,
        patience=10,
        weight_decay=0.01,
        warmup=0.1,
        clip=1.0,
        precision="auto",
    )
