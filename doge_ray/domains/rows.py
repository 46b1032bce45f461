"""One split as rows of tokens, cut into padded batches, with the answers to be predicted.

Shapes: N rows of a split, B rows of a batch, T tokens of its longest row; M sentences of W words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from doge_ray.config.data import Task

NO_LABEL = -100  # of a token that is no word's first; what losses ignore
WIDTH_STEP = 8
"""Batches are padded to a multiple of it, which suits tensor cores; and so are those of trainings
that draw dropout for padding too, whatever they run on, since their draws hang on it."""


@dataclass(frozen=True)
class Padding:
    """How rows are filled up to one width; no batch is wider than ``max_length`` tokens."""

    pad_id: int
    side: Literal["left", "right"]
    max_length: int


@dataclass(frozen=True)
class Examples:
    """What a split is measured by: M texts, or M whole sentences however many rows they take."""

    domains_M: NDArray[np.int32]
    duplicated_M: NDArray[np.bool_]


@dataclass(frozen=True)
class EncodedRows:
    """One split as the network reads it; its two kinds know the answers, too.

    ``domains_N`` indexes the source domains or, in the test split, the targets.
    ``duplicated_N`` marks duplicates as ``audit.duplicate_flags`` defines them.
    ``tokens`` holds all rows end to end; row n is the ``lengths_N[n]`` values from
    ``starts_N[n]`` on.
    """

    task: ClassVar[Task]

    domains_N: NDArray[np.int32]
    truncated_N: NDArray[np.bool_]
    duplicated_N: NDArray[np.bool_]
    starts_N: NDArray[np.int32]
    lengths_N: NDArray[np.int32]
    tokens: dict[str, NDArray[np.integer[Any]]]
    padding: Padding

    def __len__(self) -> int:
        return len(self.domains_N)

    @property
    def answers(self) -> NDArray[np.int32]:
        """Every class or tag that is to be predicted, as an index."""
        raise NotImplementedError

    @property
    def examples(self) -> Examples:
        """Domain and duplicate flag of everything that is measured."""
        return Examples(self.domains_N, self.duplicated_N)

    @property
    def example_starts(self) -> NDArray[np.integer[Any]]:
        """The first answer of each of M examples, and the end of the last one's, (M + 1,)."""
        return np.arange(len(self.answers) + 1)

    def assign(
        self, predictions: NDArray[np.int64], rows: NDArray[np.int64], classes: NDArray[np.int64]
    ) -> None:
        """Put the classes predicted for a batch, (B,) or (B, T), to their ``answers``' places."""
        raise NotImplementedError

    def batch(
        self, rows: NDArray[np.int64], pad_to: int = 1, multiple_of: int = WIDTH_STEP
    ) -> dict[str, torch.Tensor]:
        """The model's inputs for B rows, possibly none, padded to one width.

        Args:
            rows: of the split.
            pad_to: least width.
            multiple_of: what the longest row's length is rounded up to, short of ``max_length``.

        Returns:
            int64 ``input_ids``, ``attention_mask`` and, if the tokenizer has them,
            ``token_type_ids`` of shape (B, T), and ``labels``, (B,) or for tags (B, T).
        """
        longest = int(self.lengths_N[rows].max(initial=1))
        rounded = -(-longest // multiple_of) * multiple_of
        mask_BT, taken = self._grid(rows, min(max(rounded, pad_to), self.padding.max_length))
        inputs = {"attention_mask": mask_BT.astype(np.int64)}
        for name, values in self.tokens.items():
            filler = self.padding.pad_id if name == "input_ids" else 0
            inputs[name] = _spread(values[taken], mask_BT, filler)
        inputs["labels"] = self._labels(rows, mask_BT, taken)
        return {name: torch.from_numpy(array) for name, array in inputs.items()}

    def _labels(
        self, rows: NDArray[np.int64], mask_BT: NDArray[np.bool_], taken: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        raise NotImplementedError

    def _grid(
        self, rows: NDArray[np.int64], width: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Where a batch has tokens, (B, T), and the places of these among all tokens."""
        lengths_B = self.lengths_N[rows]
        # Position of each column within its row; outside of 0 .. length - 1 it is padding.
        first_B = width - lengths_B if self.padding.side == "left" else np.zeros_like(lengths_B)
        position_BT = np.arange(width) - first_B[:, None]
        mask_BT = (position_BT >= 0) & (position_BT < lengths_B[:, None])
        return mask_BT, (self.starts_N[rows][:, None] + position_BT)[mask_BT]


@dataclass(frozen=True)
class EncodedSplit(EncodedRows):
    """Texts with a class each."""

    task = "classification"

    labels_N: NDArray[np.int32]

    @property
    def answers(self) -> NDArray[np.int32]:
        """The class of every row (N,)."""
        return self.labels_N

    def assign(
        self, predictions: NDArray[np.int64], rows: NDArray[np.int64], classes: NDArray[np.int64]
    ) -> None:
        """Put the classes (B,) predicted for a batch to their rows."""
        predictions[rows] = classes

    def _labels(
        self, rows: NDArray[np.int64], mask_BT: NDArray[np.bool_], taken: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        return self.labels_N[rows].astype(np.int64)


@dataclass(frozen=True)
class TaggedSplit(EncodedRows):
    """Sentences with a tag for each word, read in rows: M sentences of W words in all.

    ``words`` lies beside the tokens: where a token is a word's first one, the word's place in
    ``tags_W``, elsewhere -1. Sentence m is the words from ``sentences[m]`` up to
    ``sentences[m + 1]``. Words beyond the tokens that are read have no token.
    """

    task = "tagging"

    words: NDArray[np.int32]
    tags_W: NDArray[np.int32]
    sentences: NDArray[np.int32]
    measured: Examples

    @property
    def answers(self) -> NDArray[np.int32]:
        """The tag of every word (W,)."""
        return self.tags_W

    @property
    def examples(self) -> Examples:
        """Domain and duplicate flag of every sentence."""
        return self.measured

    @property
    def example_starts(self) -> NDArray[np.int32]:
        """The first word of every sentence, and the end of the last one, (M + 1,)."""
        return self.sentences

    def assign(
        self, predictions: NDArray[np.int64], rows: NDArray[np.int64], classes: NDArray[np.int64]
    ) -> None:
        """Put the tags (B, T) predicted for a batch to their words."""
        mask_BT, taken = self._grid(rows, classes.shape[1])
        words = self.words[taken]
        predictions[words[words >= 0]] = classes[mask_BT][words >= 0]

    def _labels(
        self, rows: NDArray[np.int64], mask_BT: NDArray[np.bool_], taken: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        words = self.words[taken]
        return _spread(np.where(words >= 0, self.tags_W[words], NO_LABEL), mask_BT, NO_LABEL)


def _spread(
    values: NDArray[np.integer[Any]], mask_BT: NDArray[np.bool_], filler: int
) -> NDArray[np.int64]:
    array_BT = np.full(mask_BT.shape, filler, np.int64)
    array_BT[mask_BT] = values
    return array_BT
