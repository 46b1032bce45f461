"""CoNLL files: a word and its columns per line, a blank line between sentences.

``read_conll`` reads the plain kind: first column the word, last column its entity tag.
``read_conll2012`` reads OntoNotes as the CoNLL-2012 shared task released it, where documents name
their genre and entities are in brackets.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import dropwhile
from pathlib import Path
from typing import NamedTuple

from doge_ray.domains.tabular import LONGEST_TEXT, too_long
from doge_ray.domains.tags import NO_TYPE, Sentence, fault_of_tag, is_tag
from doge_ray.errors import InputError

WORD_2012, ENTITY_2012 = 3, 10
_GENRE = re.compile(r"#begin document \(([^/)]+)")
_MARKS_2012 = (("#begin", "document"), ("#end", "document"))
_BRACKETS = re.compile(r"(?:\(([^()*\s]+))?(\*)?(\))?")


class Line(NamedTuple):
    """A line's number in its file, its columns, none if it is blank, and whether by tabs."""

    number: int
    columns: tuple[str, ...]
    has_tabs: bool = False


def read_conll(file: Path) -> list[Sentence]:
    """The sentences of a file with columns split by tabs or blanks.

    A line that starts with -DOCSTART- ends a sentence, as a blank one does, and so do the marks of
    documents that CoNLL-2012 has. Comments start with #, stand before or behind a sentence and have
    not the columns or not the tag of a word.

    Raises:
        InputError: not UTF-8, a word without a tag or with other columns than most words have, or
            no sentence at all; names file and line.
    """
    lines = [_without_mark(line) for line in _lines(file)]
    usual = _usual(lines)
    stretches = (_words(stretch, usual) for stretch in _parts(lines))
    sentences = [_sentence(file, words, usual) for words in stretches if words]
    if not sentences:
        raise InputError(f"{file}: holds no sentence; write one word and its tag per line")
    return sentences


def _without_mark(line: Line) -> Line:
    """The mark of a document as a blank line."""
    is_mark = line.columns[:1] == ("-DOCSTART-",) or line.columns[:2] in _MARKS_2012
    return Line(line.number, ()) if is_mark else line


def _usual(lines: Sequence[Line]) -> Line:
    """The first of the lines that look as most words do: the file says by all of its lines."""
    words = [line for line in lines if line.columns and line.columns[0][0] != "#"]
    # Where every word begins with a #, none of the lines that end a sentence is a comment.
    words = words or [part[-1] for part in _parts(lines) if is_tag(part[-1].columns[-1])]
    looks = Counter(map(_look, words))
    most = max(looks, key=looks.__getitem__, default=None)
    return next((line for line in words if _look(line) == most), Line(0, ()))


def _look(line: Line) -> tuple[int, bool]:
    return len(line.columns), line.has_tabs


def _words(lines: list[Line], usual: Line) -> list[Line]:
    """What stands between two blank lines, without the comments that it begins or ends with."""
    is_comment = partial(_is_comment, usual=usual)
    begun = list(dropwhile(is_comment, lines))
    return list(dropwhile(is_comment, reversed(begun)))[::-1]


def _is_comment(line: Line, usual: Line) -> bool:
    first, width, has_tag = line.columns[0], len(line.columns), is_tag(line.columns[-1])
    if first[0] != "#":
        return False
    if width != len(usual.columns):  # a hashtag with a tag and a blank in it, or alone, is a word
        return first == "#" or (width > 1 and not has_tag)
    # Else it is a word, or one whose tag is misspelt.
    return not has_tag and (usual.has_tabs > line.has_tabs or (first == "#" and not line.has_tabs))


def _sentence(file: Path, lines: list[Line], usual: Line) -> Sentence:
    for line in lines:
        _check_word(f"{file}, line {line.number}: {' '.join(line.columns)[:40]!r}", line, usual)
    words = [line.columns[0] for line in lines]
    return Sentence(file, [line.number for line in lines], words, [x.columns[-1] for x in lines])


def _check_word(place: str, line: Line, usual: Line) -> None:
    width, most = len(line.columns), len(usual.columns)
    fault = fault_of_tag(line.columns[-1]) if width > 1 else "is no tag"
    comments = (
        "; a comment stands before or behind a sentence, and begins with '# '"
        if line.columns[0][0] == "#"
        else ""
    )
    if fault:
        raise InputError(
            f"{place} does not end with a column that is O or a tag as B-PER: "
            f"{line.columns[-1][:40]!r} {fault}; write a word and its tag per line{comments}"
        )
    if width != most:
        raise InputError(
            f"{place} has {width} columns, most words have {most}, such as line {usual.number}; "
            f"write as many, with tabs between them where a word holds a blank{comments}"
        )


def read_conll2012(file: Path) -> dict[str, list[Sentence]]:
    """The sentences of a ``*_gold_conll`` file by genre, tagged in IOB2.

    Raises:
        InputError: a word outside of a document, too few columns, or brackets that do not match.
    """
    genres: dict[str, list[Sentence]] = defaultdict(list)
    genre, open_lines = "", list[Line]()
    for line in [*_lines(file), Line(0, ())]:
        if line.columns and not line.columns[0].startswith("#"):
            open_lines.append(line)
            continue
        if open_lines:
            genres[genre].append(_sentence_2012(file, genre, open_lines))
            open_lines = []
        if len(line.columns) > ENTITY_2012:
            raise InputError(
                f"{file}, line {line.number}: looks like a word but begins with #, as only "
                "'#begin document' and '#end document' do; restore the released file"
            )
        begin = _GENRE.match(" ".join(line.columns))
        genre = begin.group(1) if begin else genre
    return genres


def _sentence_2012(file: Path, genre: str, lines: list[Line]) -> Sentence:
    tags, entity = [], ""
    for number, columns, _ in lines:
        if not genre or len(columns) <= ENTITY_2012:
            raise InputError(
                f"{file}, line {number}: not a CoNLL-2012 word: it needs {ENTITY_2012 + 1} columns "
                "and a line '#begin document (genre/...' before; restore the released file"
            )
        match = _BRACKETS.fullmatch(columns[ENTITY_2012])
        if match is None or bool(match[1] and entity) or (match[3] and not (match[1] or entity)):
            raise _bad_bracket(file, number, columns[ENTITY_2012])
        if match[1] == "O":
            raise InputError(f"{file}, line {number}: {columns[ENTITY_2012]!r} {NO_TYPE}")
        inside = match[1] or entity
        tags.append(f"{'B' if match[1] else 'I'}-{inside}" if inside else "O")
        entity = "" if match[3] else inside
    if entity:
        raise _bad_bracket(file, lines[-1].number, lines[-1].columns[ENTITY_2012])
    words = [line.columns[WORD_2012] for line in lines]
    return Sentence(file, [line.number for line in lines], words, tags)


def _bad_bracket(file: Path, line: int, column: str) -> InputError:
    return InputError(
        f"{file}, line {line}: {column!r} does not close the open entity, opens a second one, or "
        "leaves one open at the end of the sentence; write (TYPE*, *, *) or (TYPE)"
    )


def _parts(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """The runs of lines between blank ones."""
    part: list[Line] = []
    for line in [*lines, Line(0, ())]:
        if line.columns:
            part.append(line)
        elif part:
            yield part
            part = []


def _lines(file: Path) -> Iterator[Line]:
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}, line {number}: not UTF-8; save the file as UTF-8") from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    # Not splitlines, nor split(): words may hold rare kinds of line ends and blanks.
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST_TEXT:
            raise too_long(f"{file}, line {number}")
        stripped = line.strip(" \t\r")
        parts = stripped.split("\t") if "\t" in stripped else re.split(" +", stripped)
        yield Line(number, tuple(parts) if stripped else (), "\t" in stripped)
