"""The values this package is about: one domain's labelled text, and a corpus of domains."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelledText:
    """One split of one domain: N texts, the N second texts of a pair task, N class indices."""

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def __add__(self, other: LabelledText) -> LabelledText:
        """The rows of both."""
        pairs = None if self.pairs is None or other.pairs is None else self.pairs + other.pairs
        return LabelledText(self.texts + other.texts, pairs, self.labels + other.labels)

    def take(self, rows: NDArray[np.int64]) -> LabelledText:
        """The given rows, in the given order."""
        pairs = None if self.pairs is None else tuple(self.pairs[row] for row in rows)
        texts = tuple(self.texts[row] for row in rows)
        return LabelledText(texts, pairs, tuple(self.labels[row] for row in rows))


@dataclass(frozen=True)
class Corpus:
    """Train and dev text of the source domains, test text of the unseen target domains.

    A label is an index into ``label_names``; the order of the domains is the configuration's.
    """

    label_names: tuple[str, ...]
    train: dict[str, LabelledText]
    dev: dict[str, LabelledText]
    test: dict[str, LabelledText]

    @property
    def source_domains(self) -> tuple[str, ...]:
        """The domains trained on."""
        return tuple(self.train)

    @property
    def target_domains(self) -> tuple[str, ...]:
        """The domains never seen in training."""
        return tuple(self.test)

    @property
    def splits(self) -> dict[str, dict[str, LabelledText]]:
        """The three splits by name: train, dev, test."""
        return {"train": self.train, "dev": self.dev, "test": self.test}

    def without(self, domain: str) -> Corpus:
        """A fold: one source domain is not trained on, and all its rows are the target."""
        return replace(
            self,
            train={name: text for name, text in self.train.items() if name != domain},
            dev={name: text for name, text in self.dev.items() if name != domain},
            test={domain: self.train[domain] + self.dev[domain]},
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over labels, names and texts in their order: equal data, equal fingerprint."""
        digest = hashlib.sha256(json.dumps(self.label_names).encode())
        for split, domains in self.splits.items():
            for domain, text in domains.items():
                content = [split, domain, text.texts, text.pairs, text.labels]
                digest.update(json.dumps(content).encode())
        return digest.hexdigest()
