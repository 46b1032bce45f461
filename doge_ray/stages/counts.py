"""From predictions to counts: right answers, or entities found.

Shapes: M examples; W words of all sentences of a split.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from doge_ray.domains.rows import EncodedRows, TaggedSplit
from doge_ray.tickets.counts import Counts, right_or_wrong


def count(split: EncodedRows, predictions: NDArray[np.int64], label_names: Sequence[str]) -> Counts:
    """What was predicted and expected in each of M examples.

    Args:
        split: holds the answers.
        predictions: in the places of ``split.answers``: classes (N,), or tags (W,).
        label_names: of the classes or tags.
    """
    if not isinstance(split, TaggedSplit):
        return right_or_wrong(predictions == split.answers)
    return count_entities(split.tags_W, predictions, split.sentences, label_names)


def count_entities(
    expected_W: NDArray[np.integer],
    predicted_W: NDArray[np.integer],
    sentences: NDArray[np.integer],
    tag_names: Sequence[str],
) -> Counts:
    """The entities of each of M sentences, as seqeval finds them in tags.

    An entity is matched where type, first and last word agree.

    Args:
        expected_W: the right tag of every word.
        predicted_W: the predicted one.
        sentences: the first word of each sentence, and the end of the last one, (M + 1,).
        tag_names: of the tags; the first is O.
    """
    # It brings scikit-learn: a second that a process which classifies texts can do without.
    from seqeval.metrics.sequence_labeling import get_entities

    counts_M3 = np.zeros((len(sentences) - 1, 3), np.int64)
    names = np.array(tag_names, object)
    # Most sentences of many corpora hold no entity.
    for m in np.flatnonzero(
        _any_entity(expected_W, sentences) | _any_entity(predicted_W, sentences)
    ):
        words = slice(sentences[m], sentences[m + 1])
        expected = set(get_entities(names[expected_W[words]].tolist()))
        predicted = set(get_entities(names[predicted_W[words]].tolist()))
        counts_M3[m] = len(expected & predicted), len(predicted), len(expected)
    return Counts(*counts_M3.T)


def _any_entity(tags_W: NDArray[np.integer], sentences: NDArray[np.integer]) -> NDArray[np.bool_]:
    found = np.concatenate([[0], np.cumsum(tags_W != 0)])
    return np.diff(found[sentences]) > 0
