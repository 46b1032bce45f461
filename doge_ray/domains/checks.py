"""What every data set must satisfy, said in one message before any compute is spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from doge_ray.domains.labelled import Corpus, LabelledText, TaggedText
from doge_ray.errors import InputError, nearest, suggestion
from doge_ray.terminal import write

MOST_UNUSED = 10  # domains that are told by name


def check_domains(
    sources: Sequence[str], targets: Sequence[str], known: Iterable[str], place: str
) -> None:
    """Refuse unknown and repeated domains, and targets that are trained on.

    Args:
        sources: ``data.source_domains``.
        targets: ``data.target_domains``.
        known: the domains there are.
        place: where these stand, for messages.

    Raises:
        InputError: names the setting, the domain and ``place``.
    """
    known = set(known)
    for setting, domains in (("source_domains", sources), ("target_domains", targets)):
        for domain in domains:
            if domain not in known:
                raise InputError(
                    f"data.{setting}: {domain!r} is no domain of {place}; "
                    f"{suggestion(domain, known)}"
                )
            if domains.count(domain) > 1:
                raise InputError(f"data.{setting}: {domain!r} is given twice; give it once")
    for domain in targets:
        if domain in sources:
            raise InputError(
                f"data.target_domains: {domain!r} is among data.source_domains too; a target is "
                "a domain never seen in training, so take it out of one of them"
            )


def say_unused(named: Sequence[str], rows: Mapping[str, int | None], place: str) -> None:
    """Tell of domains that no setting names, first those that may be meant by one that is.

    Args:
        named: the source and target domains.
        rows: by domain, how many it has, or None where they were not counted.
        place: where they stand, for the message.
    """
    hints = {domain: nearest(domain, named) for domain in rows if domain not in named}
    if not hints:
        return
    listed = sorted(hints, key=lambda domain: (not hints[domain], domain))
    parts = [_told(domain, rows[domain], hints[domain]) for domain in listed[:MOST_UNUSED]]
    if len(listed) > MOST_UNUSED:
        parts.append(f"and {len(listed) - MOST_UNUSED} more")
    total = sum(rows[domain] or 0 for domain in listed)
    counted = f", {total} rows in all" if total else ""
    what = f"{len(listed)} domain(s) that no setting names are not used{counted}"
    write(f"{place}: {what}: {', '.join(parts)}", error=True)


def _told(domain: str, count: int | None, hint: str) -> str:
    return f"{domain!r}{'' if count is None else f' ({count} rows)'}{hint}"


def say_alike(names: Sequence[str]) -> None:
    """Tell of labels that differ in blanks, case or digits written otherwise, as by accident."""
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_plain(name), []).append(name)
    for group in alike.values():
        if len(group) > 1:
            told = ", ".join(map(repr, group))
            write(f"labels {told} are learned as {len(group)} classes; are they one?", error=True)


def _plain(name: str) -> str:
    text = "".join(letter for letter in name.casefold() if letter.isprintable()).strip()
    text = {"true": "1", "false": "0"}.get(text, text)
    try:
        return str(float(text))
    except ValueError:
        return text


def check_splits(corpus: Corpus) -> None:
    """Refuse empty splits, a single label, source splits that lack one, and splits of no entity.

    A target may lack labels: it is only tested on. So may a tagged domain, of many types.

    Raises:
        InputError: names the split, the domain and the label.
    """
    for split, domains in corpus.splits.items():
        for domain, text in domains.items():
            if not len(text):
                raise InputError(
                    f"the {split} split of domain {domain!r} is empty; "
                    "give it rows or leave the domain out"
                )
    if len(corpus.label_names) < 2:
        raise InputError(
            f"label {corpus.label_names[0]!r} is the only one in the source domains; "
            "there is nothing to learn: give rows of two labels or more"
        )
    for split, domains in corpus.splits.items():
        for domain, text in domains.items():
            if isinstance(text, TaggedText):
                _check_entities(corpus, split, domain, text)
            elif split != "test":
                _check_labels(corpus, split, domain, text)


def _check_entities(corpus: Corpus, split: str, domain: str, text: TaggedText) -> None:
    if not any(map(any, text.tags)):
        raise InputError(
            f"the {split} split of domain {domain!r} holds no entity of the types to "
            f"learn, {', '.join(tag[2:] for tag in corpus.label_names if tag[:1] == 'B')}; "
            "give it some or leave the domain out"
        )


def _check_labels(corpus: Corpus, split: str, domain: str, text: LabelledText) -> None:
    present = set(text.labels)
    for label, name in enumerate(corpus.label_names):
        if label not in present:
            raise InputError(
                f"label {name!r} does not occur in the {split} split of source domain "
                f"{domain!r}; add rows with it, or leave out the domain or the label"
            )
