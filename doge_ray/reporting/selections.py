"""The ways of choosing a configuration, in words."""

from __future__ import annotations

from typing import NamedTuple

_UNSEEN = "the target metric is shown neither to the sampler nor to the scheduler nor to the choice"


class Selection(NamedTuple):
    """A word for a column, the end of a sentence, and the whole rule."""

    word: str
    phrase: str
    rule: str


SELECTIONS = {
    "source_dev": Selection(
        "source dev",
        "by the source domains' dev metric",
        f"mean metric over the dev splits of the same domains; {_UNSEEN}",
    ),
    "leave_one_domain_out": Selection(
        "folds",
        "by its mean over folds, each measured on a source domain left out",
        f"mean over folds, each trained without one of these domains and measured on it; {_UNSEEN}",
    ),
    "oracle": Selection(
        "the test set",
        "on the test set",
        "the target metric itself: this is choosing on the test set",
    ),
}
