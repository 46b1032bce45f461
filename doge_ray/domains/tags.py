"""Entity tags in IOB1, IOB2 and IOBES, and what makes a sequence of them whole.

With types X, for the first, the inner, the last and the only word of an entity:

    IOB2    B-X I-X I-X B-X
    IOB1    I-X I-X I-X I-X, but B-X first where an entity of the same type ends just before
    IOBES   B-X I-X E-X S-X
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from doge_ray.errors import InputError

Scheme = Literal["iob1", "iob2", "iobes"]
NO_TYPE = "names an entity type O, which is how words of no entity are tagged"


class Sentence(NamedTuple):
    """Words with their tags as the file has them, and the file's line of each word."""

    file: Path
    lines: Sequence[int]
    words: Sequence[str]
    tags: Sequence[str]


class BrokenTags(NamedTuple):
    """What is wrong with the tag at a position of a sequence, and what to do about it."""

    position: int
    reason: str


def is_tag(text: str) -> bool:
    """Whether a text has the form of a tag: O, or one of B I E S, a hyphen and a type."""
    return not fault_of_tag(text)


def fault_of_tag(text: str) -> str:
    """What is wrong with a text as a tag, by itself; nothing where it is one."""
    if text == "O":
        return ""
    if text[:2] not in ("B-", "I-", "E-", "S-") or len(text) < 3:
        return "is no tag"
    return NO_TYPE if text[2:] == "O" else ""


def detect_scheme(sentences: Iterable[Sentence]) -> Scheme:
    """The scheme in which the fewest sentences are broken, in doubt IOB2.

    A wrong tag or two then do not change the scheme: they are reported where they stand.
    """
    broken: dict[Scheme, int] = {"iob2": 0, "iobes": 0, "iob1": 0}
    for sentence in sentences:
        for scheme in broken:
            broken[scheme] += find_break(sentence.tags, scheme) is not None
    return min(broken, key=lambda scheme: broken[scheme])


def to_iob2(sentence: Sentence, scheme: Scheme) -> list[str]:
    """The tags of a sentence in IOB2.

    Raises:
        InputError: the sequence is broken; names file, line and remedy.
    """
    broken = find_break(sentence.tags, scheme)
    if broken is not None:
        place = f"{sentence.file}, line {sentence.lines[broken.position]}"
        raise InputError(
            f"{place}: {sentence.words[broken.position]!r} is tagged "
            f"{sentence.tags[broken.position]}, but {broken.reason}; correct the tag, or set "
            f"data.scheme if the files are not in {scheme.upper()}"
        )
    before = ["O", *sentence.tags]
    return [_CONVERT[scheme](*pair) for pair in zip(before, sentence.tags, strict=False)]


def find_break(tags: Sequence[str], scheme: Scheme) -> BrokenTags | None:
    """The first tag that cannot stand where it does, or None."""
    padded = ["O", *tags, "O"]
    for position, tag in enumerate(tags):
        reason = _CHECK[scheme](padded[position], tag, padded[position + 2])
        if reason:
            return BrokenTags(position, reason)
    return None


def _check_iob2(before: str, tag: str, _: str) -> str:
    if tag[0] in "ES":
        return "IOB2 has B-, I- and O only"
    if tag[0] == "I" and not _open(before, tag):
        return f"no {tag[2:]} stands before it to go on with: IOB2 starts one with B-{tag[2:]}"
    return ""


def _check_iob1(before: str, tag: str, _: str) -> str:
    if tag[0] in "ES":
        return "IOB1 has B-, I- and O only"
    if tag[0] == "B" and not _open(before, tag):
        return f"no {tag[2:]} ends before it to part from: IOB1 starts one with I-{tag[2:]}"
    return ""


def _check_iobes(before: str, tag: str, after: str) -> str:
    if tag[0] in "IE" and not (before[0] in "BI" and before[1:] == tag[1:]):
        return f"no {tag[2:]} stands before it to go on with: IOBES starts one with B- or S-"
    if tag[0] in "BI" and not (after[0] in "IE" and after[1:] == tag[1:]):
        return f"the {tag[2:]} does not end: IOBES ends it with E-{tag[2:]}"
    return ""


def _open(before: str, tag: str) -> bool:
    """Whether an entity of the tag's type reaches up to it, in IOB1 and IOB2."""
    return before[0] in "BI" and before[1:] == tag[1:]


def _from_iob1(before: str, tag: str) -> str:
    return "B" + tag[1:] if tag[0] == "I" and not _open(before, tag) else tag


def _from_iobes(_: str, tag: str) -> str:
    return {"S": "B", "E": "I"}.get(tag[0], tag[0]) + tag[1:]


_CHECK: dict[Scheme, Callable[[str, str, str], str]] = {
    "iob1": _check_iob1,
    "iob2": _check_iob2,
    "iobes": _check_iobes,
}
_CONVERT: dict[Scheme, Callable[[str, str], str]] = {
    "iob1": _from_iob1,
    "iob2": lambda _, tag: tag,
    "iobes": _from_iobes,
}
