"""From the configuration to the corpus: load, check, and keep a subset where one is asked for."""

from __future__ import annotations

import pkgutil
from dataclasses import replace

from doge_ray.config.data import DataConfig
from doge_ray.domains.checks import check_splits
from doge_ray.domains.labelled import Corpus
from doge_ray.domains.subset import stratified
from doge_ray.errors import InputError


def load_corpus(data: DataConfig) -> Corpus:
    """The corpus that ``data`` describes, checked.

    Raises:
        InputError: a domain, file, column, row or label is missing or wrong; the message names it
            and where it stands.
    """
    try:
        corpus: Corpus = pkgutil.resolve_name(data.loader)(data)
    except OSError as error:
        raise InputError(f"the data cannot be read: {error}; mend its permissions") from error
    check_splits(corpus)
    return corpus if data.limit is None else _limited(corpus, data.limit)


def _limited(corpus: Corpus, limit: int) -> Corpus:
    """At most ``limit`` rows of every domain and split; a larger limit keeps a smaller one's."""
    if corpus.task == "classification" and limit < len(corpus.label_names):
        raise InputError(
            f"data.limit={limit} cannot keep all {len(corpus.label_names)} labels; "
            f"choose data.limit={len(corpus.label_names)} or more"
        )
    train, dev, test = (
        {
            domain: text.take(stratified(text.strata, limit, "limit", domain, split))
            for domain, text in domains.items()
        }
        for split, domains in corpus.splits.items()
    )
    return replace(corpus, train=train, dev=dev, test=test)
