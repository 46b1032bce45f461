"""What is measured: one metric for each task, by the counts that it is made of.

Shapes: W answers (classes or tags) of M examples; an example is a text, or a whole sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doge_ray.tickets.counts import Counts, right_or_wrong

Answers = NDArray[np.integer]


@dataclass(frozen=True)
class Metric:
    """A metric that adds up over examples, see ``Counts``.

    - ``name``: in tables and figures.
    - ``title``: at the beginning of a sentence, with what must be known of it.
    - ``count``: counts of M examples from the expected answers (W,), the predicted ones (W,), where
      each example begins and the last one ends (M + 1,), and the names of the classes or tags.
    """

    name: str
    title: str
    count: Callable[[Answers, Answers, Answers, Sequence[str]], Counts]


def count_right(
    expected_W: Answers, predicted_W: Answers, starts: Answers, names: Sequence[str]
) -> Counts:
    """Whether each of M examples was answered right, where one has one answer: W = M."""
    return right_or_wrong(predicted_W == expected_W)


def count_entities(
    expected_W: Answers, predicted_W: Answers, starts: Answers, names: Sequence[str]
) -> Counts:
    """The entities of each of M sentences, as seqeval finds them in tags.

    An entity is matched where type, first and last word agree.

    Args:
        expected_W: the right tag of every word.
        predicted_W: the predicted one.
        starts: the first word of each sentence, and the end of the last one, (M + 1,).
        names: of the tags; the first is O.
    """
    # It brings scikit-learn: a second that a process which classifies texts can do without.
    from seqeval.metrics.sequence_labeling import get_entities

    counts_M3 = np.zeros((len(starts) - 1, 3), np.int64)
    tags = np.array(names, object)
    # Most sentences of many corpora hold no entity.
    for m in np.flatnonzero(_any_entity(expected_W, starts) | _any_entity(predicted_W, starts)):
        words = slice(starts[m], starts[m + 1])
        expected = set(get_entities(tags[expected_W[words]].tolist()))
        predicted = set(get_entities(tags[predicted_W[words]].tolist()))
        counts_M3[m] = len(expected & predicted), len(predicted), len(expected)
    return Counts(*counts_M3.T)


def _any_entity(tags_W: Answers, starts: Answers) -> NDArray[np.bool_]:
    found = np.concatenate([[0], np.cumsum(tags_W != 0)])
    return np.diff(found[starts]) > 0


METRICS = {
    "classification": Metric("accuracy", "Accuracy", count_right),
    "tagging": Metric(
        "entity F1",
        "Entity F1 (exact spans of whole words, micro-averaged per domain)",
        count_entities,
    ),
}
"""By task."""
