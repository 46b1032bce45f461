"""What to know about a corpus before training: balance, truncation, duplicates.

A target text that stands in the sources was seen in training, so its domain is less unseen than
it looks; a dev text that stands in its own train makes dev look better than it is. Texts are
duplicates when they, and the second texts of a pair task, are equal up to case and white space.

Shapes: N rows of one domain and split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain, groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from rich.table import Table

from doge_ray.domains.labelled import Corpus, TaggedText, Text
from doge_ray.domains.names import shortened
from doge_ray.terminal import styled

NAME_CELLS = 40  # of a terminal, for a domain
MOST_DOMAINS = 20
"""Domains of a split that stand in the terminal with a line of their own."""
Flags = dict[str, dict[str, NDArray[np.bool_]]]  # by split, then by domain: one flag per row


@dataclass(frozen=True)
class SplitAudit:
    """Counts of rows for one domain and split.

    ``duplicated`` counts dev rows that stand in their domain's train, and test rows that stand in
    any source's train or dev; ``truncated`` counts rows longer than ``max_length``. In a tagged
    corpus a row is a sentence, and ``label_counts`` counts words.
    """

    split: str
    domain: str
    label_counts: tuple[int, ...]
    truncated: int
    duplicated: int
    sentences: int | None = None

    @property
    def rows(self) -> int:
        """All rows of the domain and split."""
        return sum(self.label_counts) if self.sentences is None else self.sentences

    def shares(self, label_names: Sequence[str]) -> dict[str, float]:
        """Each label's share of the rows; of a tagged corpus each type's share of the entities."""
        counts = dict(zip(label_names, self.label_counts, strict=True))
        if self.sentences is not None:
            # Every entity has one B- tag in IOB2.
            counts = {tag[2:]: count for tag, count in counts.items() if tag.startswith("B-")}
        total = max(1, sum(counts.values()))
        return {name: count / total for name, count in counts.items()}


@dataclass(frozen=True)
class Audit:
    """The audit of a corpus tokenised to at most ``max_length`` tokens."""

    label_names: tuple[str, ...]
    max_length: int
    splits: tuple[SplitAudit, ...]

    @property
    def duplicated_targets(self) -> tuple[int, int]:
        """Target rows that stand in the sources, and all target rows."""
        targets = [part for part in self.splits if part.split == "test"]
        return sum(part.duplicated for part in targets), sum(part.rows for part in targets)

    def domains(self, split: str) -> list[str]:
        """Those of a split, in the corpus's order."""
        return [part.domain for part in self.splits if part.split == split]

    def to_dict(self) -> dict[str, Any]:
        """The audit as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Audit:
        """The inverse of ``to_dict``, also after a passage through JSON.

        Raises:
            ValueError: the values are no audit's.
        """
        audit = TypeAdapter(cls).validate_python(values)
        if any(len(part.label_counts) != len(audit.label_names) for part in audit.splits):
            raise ValueError("label_counts and label_names differ in number")
        return audit


def audit_corpus(corpus: Corpus, max_length: int, truncated: Flags, duplicated: Flags) -> Audit:
    """Count what the flags of every row say, domain by domain.

    Args:
        corpus: its sentences or texts are the rows.
        max_length: tokens that the network reads of a row.
        truncated: whether a row has more than that.
        duplicated: as ``duplicate_flags`` gives them.
    """
    parts = []
    for split, domains in corpus.splits.items():
        for domain, text in domains.items():
            counts = Counter(chain(*text.tags) if isinstance(text, TaggedText) else text.labels)
            parts.append(
                SplitAudit(
                    split,
                    domain,
                    tuple(counts[label] for label in range(len(corpus.label_names))),
                    int(truncated[split][domain].sum()),
                    int(duplicated[split][domain].sum()),
                    len(text) if isinstance(text, TaggedText) else None,
                )
            )
    return Audit(corpus.label_names, max_length, tuple(parts))


def duplicate_flags(corpus: Corpus) -> Flags:
    """True for dev rows in their own train and test rows in any source's train or dev."""
    train = {domain: set(_keys(text)) for domain, text in corpus.train.items()}
    sources = set().union(*train.values(), *map(_keys, corpus.dev.values()))
    return {
        "train": {domain: _found(text, set()) for domain, text in corpus.train.items()},
        "dev": {domain: _found(text, train[domain]) for domain, text in corpus.dev.items()},
        "test": {domain: _found(text, sources) for domain, text in corpus.test.items()},
    }


def _keys(text: Text) -> list[tuple[str, ...]]:
    return [tuple(" ".join(part.casefold().split()) for part in row) for row in text.passages]


def _found(text: Text, seen: set[tuple[str, ...]]) -> NDArray[np.bool_]:
    return np.array([key in seen for key in _keys(text)], bool)


def audit_overview(audit: Audit) -> Table:
    """A compact table, one line per domain and split, for the terminal; the report has all."""
    duplicated, rows = audit.duplicated_targets
    caption = (
        f"{duplicated:,} of {rows:,} target rows ({duplicated / rows:.1%}) are in the sources too. "
        "A dev row is duplicated when it stands in its domain's train"
    )
    table = Table("split", caption=caption)
    table.add_column("domain", overflow="fold")
    for heading in ("rows", "rarest label", "commonest label"):
        table.add_column(heading, justify="right")
    table.add_column(f"> {audit.max_length} tokens", justify="right")
    table.add_column("duplicated", justify="right", no_wrap=True)
    by_split = {
        split: list(parts) for split, parts in groupby(audit.splits, lambda part: part.split)
    }
    shown = [part for parts in by_split.values() for part in parts[:MOST_DOMAINS]]
    names = dict(zip(shown, shortened([part.domain for part in shown], NAME_CELLS), strict=True))
    for split, parts in by_split.items():
        for part in parts[:MOST_DOMAINS]:
            shares = sorted((s, name) for name, s in part.shares(audit.label_names).items())
            table.add_row(
                split,
                styled(names[part]),
                f"{part.rows:,}",
                *(styled(f"{name} {share:.0%}") for share, name in (shares[0], shares[-1])),
                f"{part.truncated / part.rows:.1%}",
                f"{part.duplicated / part.rows:.1%}" if split != "train" else "",
            )
        if others := parts[MOST_DOMAINS:]:
            rows = sum(part.rows for part in others)
            table.add_row(split, f"({len(others):,} more)", f"{rows:,}")
    return table
