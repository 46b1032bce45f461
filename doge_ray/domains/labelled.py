"""The values this package is about: one domain's labelled text, and a corpus of domains."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doge_ray.config.data import Task


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

    @property
    def passages(self) -> list[tuple[str, ...]]:
        """What stands in each row, for finding duplicates: its text, and a pair's second."""
        columns = [self.texts] if self.pairs is None else [self.texts, self.pairs]
        return list(zip(*columns, strict=True))

    @property
    def strata(self) -> Sequence[int]:
        """What a subset keeps the shares of: the labels."""
        return self.labels

    @property
    def columns(self) -> list[Any]:
        """Everything in it, as JSON can hold it."""
        return [self.texts, self.pairs, self.labels]


@dataclass(frozen=True)
class TaggedText:
    """One split of one domain: N sentences as words, and an IOB2 tag's index for every word."""

    words: tuple[tuple[str, ...], ...]
    tags: tuple[tuple[int, ...], ...]

    def __len__(self) -> int:
        return len(self.words)

    def __add__(self, other: TaggedText) -> TaggedText:
        """The sentences of both, one after the other."""
        return TaggedText(self.words + other.words, self.tags + other.tags)

    def take(self, rows: NDArray[np.int64]) -> TaggedText:
        """The given sentences, in the given order."""
        return TaggedText(
            tuple(self.words[row] for row in rows), tuple(self.tags[row] for row in rows)
        )

    @property
    def passages(self) -> list[tuple[str, ...]]:
        """What stands in each row, for finding duplicates: its sentence."""
        return [(" ".join(words),) for words in self.words]

    @property
    def strata(self) -> Sequence[int]:
        """What a subset keeps the shares of: sentences with an entity, and those without."""
        return [int(any(tags)) for tags in self.tags]

    @property
    def columns(self) -> list[Any]:
        """Everything in it, as JSON can hold it."""
        return [self.words, self.tags]


Text = LabelledText | TaggedText


@dataclass(frozen=True)
class Corpus:
    """Train and dev text of the source domains, test text of the unseen target domains.

    All texts are of one kind. A label or tag is an index into ``label_names``, where tags start
    with O; the order of the domains is the configuration's.
    """

    label_names: tuple[str, ...]
    train: Mapping[str, Text]
    dev: Mapping[str, Text]
    test: Mapping[str, Text]

    @property
    def task(self) -> Task:
        """Whether texts have a class each, or words a tag."""
        first = next(iter(self.train.values()))
        return "tagging" if isinstance(first, TaggedText) else "classification"

    @property
    def is_of_pairs(self) -> bool:
        """Whether a row has two texts."""
        first = next(iter(self.train.values()))
        return isinstance(first, LabelledText) and first.pairs is not None

    @property
    def source_domains(self) -> tuple[str, ...]:
        """The domains trained on."""
        return tuple(self.train)

    @property
    def target_domains(self) -> tuple[str, ...]:
        """The domains never seen in training."""
        return tuple(self.test)

    @property
    def splits(self) -> dict[str, Mapping[str, Text]]:
        """The three splits by name: train, dev, test."""
        return {"train": self.train, "dev": self.dev, "test": self.test}

    def without(self, domain: str) -> Corpus:
        """A fold: one source domain is not trained on, and all its rows are the target."""
        rows: Any = self.train[domain]
        return replace(
            self,
            train={name: text for name, text in self.train.items() if name != domain},
            dev={name: text for name, text in self.dev.items() if name != domain},
            test={domain: rows + self.dev[domain]},
        )

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over labels, names and texts in their order: equal data, equal fingerprint."""
        digest = hashlib.sha256(json.dumps(self.label_names).encode())
        for split, domains in self.splits.items():
            for domain, text in domains.items():
                digest.update(json.dumps([split, domain, *text.columns]).encode())
        return digest.hexdigest()
