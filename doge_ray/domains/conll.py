"""CoNLL files: a word and its columns per line, a blank line between sentences.

``read_conll`` reads the plain kind: first column the word, last column its entity tag.
``read_conll2012`` reads OntoNotes as the CoNLL-2012 shared task released it, where documents name
their genre and entities are in brackets.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from doge_ray.domains.tags import Sentence, is_tag
from doge_ray.errors import InputError

WORD_2012, ENTITY_2012 = 3, 10
_GENRE = re.compile(r"#begin document \(([^/)]+)")
_BRACKETS = re.compile(r"(?:\(([^()*\s]+))?(\*)?(\))?")


class Line(NamedTuple):
    """A line's number in its file, and its columns; none in a blank line."""

    number: int
    columns: tuple[str, ...]


def read_conll(file: Path) -> list[Sentence]:
    """The sentences of a file with columns split by tabs or blanks.

    Lines that start with -DOCSTART- are skipped, and so are comments: lines that start with # and
    have not the columns of a word.

    Raises:
        InputError: not UTF-8, a line without a tag, or no sentence at all; names file and line.
    """
    lines = list(_lines(file))
    words = (line for line in lines if line.columns and line.columns[0][0] != "#")
    width = len(next(words, Line(0, ())).columns)
    sentences = [
        _sentence(file, part) for part in _parts(line for line in lines if _is_text(line, width))
    ]
    if not sentences:
        raise InputError(f"{file}: holds no sentence; write one word and its tag per line")
    return sentences


def _is_text(line: Line, width: int) -> bool:
    """Whether a line is a word's or blank; the word may be a #."""
    if not line.columns or line.columns[0][0] != "#":
        return not line.columns or line.columns[0] != "-DOCSTART-"
    return len(line.columns) == width and is_tag(line.columns[-1])


def _sentence(file: Path, lines: list[Line]) -> Sentence:
    for line in lines:
        if len(line.columns) < 2 or not is_tag(line.columns[-1]):
            raise InputError(
                f"{file}, line {line.number}: {' '.join(line.columns)[:40]!r} does not end with "
                "a column that is O or a tag as B-PER; write a word and its tag per line"
            )
    words = [line.columns[0] for line in lines]
    return Sentence(file, [line.number for line in lines], words, [x.columns[-1] for x in lines])


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
        begin = _GENRE.match(" ".join(line.columns))
        genre = begin.group(1) if begin else genre
    return genres


def _sentence_2012(file: Path, genre: str, lines: list[Line]) -> Sentence:
    tags, entity = [], ""
    for number, columns in lines:
        if not genre or len(columns) <= ENTITY_2012:
            raise InputError(
                f"{file}, line {number}: not a CoNLL-2012 word: it needs {ENTITY_2012 + 1} columns "
                "and a line '#begin document (genre/...' before; restore the released file"
            )
        match = _BRACKETS.fullmatch(columns[ENTITY_2012])
        if match is None or bool(match[1] and entity) or (match[3] and not (match[1] or entity)):
            raise _bad_bracket(file, number, columns[ENTITY_2012])
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


def _parts(lines: Iterator[Line]) -> Iterator[list[Line]]:
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
    # Not splitlines, nor split(): words may hold rare kinds of line ends and blanks.
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t\r")
        parts = stripped.split("\t") if "\t" in stripped else re.split(" +", stripped)
        yield Line(number, tuple(parts) if stripped else ())
