"""Tabular files (JSON lines, CSV, Parquet) as records, each of which knows where it stands."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from doge_ray.domains.labelled import LabelledText
from doge_ray.errors import InputError, listed, one_form, suggestion
from doge_ray.terminal import write

LONGEST_TEXT = 10 << 20  # bytes
_WHOLE = re.compile(r"-?\d+\.0")


class Record(NamedTuple):
    """One row: its file, its line (Parquet: its row, from 1) and its values by column."""

    file: Path
    number: int
    values: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Where the row stands, for messages."""
        unit = "row" if self.file.suffix.lower() == ".parquet" else "line"
        return f"{self.file}, {unit} {self.number}"

    def text(self, column: str) -> str:
        """The text in ``column``; blank and missing texts raise InputError."""
        value = self._value(column)
        if not isinstance(value, str):
            raise InputError(f"{self.place}: {column}={value!r} is no text; write a string")
        self.check_letters(column, value)
        if not value.strip():
            raise InputError(f"{self.place}: {column} is empty; give a text or remove the row")
        return value

    def name(self, column: str) -> str:
        """The label or domain in ``column``: a string in Unicode's form NFC, or an integer as one.

        A whole number counts as an integer however it is written: beside missing values, pandas
        writes 1 as 1.0.
        """
        value = self._value(column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, str | int) or (isinstance(value, str) and not value.strip()):
            raise InputError(
                f"{self.place}: {column}={value!r} is no name; write a string or an integer"
            )
        self.check_letters(column, str(value))
        return one_form(str(value))

    def check_letters(self, column: str, value: str) -> None:
        """Raise InputError where a text of ``column`` holds what no file can."""
        if any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InputError(
                f"{self.place}: {column} holds half a character, such as a cut emoji; mend it or "
                "remove the row"
            )

    def _value(self, column: str) -> Any:
        if column not in self.values:
            raise _no_column(self.place, column, self.values)
        return self.values[column]


def read_records(file: Path, columns: Collection[str], max_rows: int = 1 << 40) -> list[Record]:
    """The rows of a .jsonl, .json (one object per line), .csv or .parquet file.

    Args:
        file: where from.
        columns: those that will be asked for; a Parquet file is read no further.
        max_rows: more are refused, before memory ends.

    Raises:
        InputError: the file is missing, of another kind, malformed, without one of the columns, or
            too long; or a line or text of it is.
    """
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise InputError(f"{file}: {file.suffix!r} files are not read; write {', '.join(READERS)}")
    if not file.is_file():
        raise InputError(f"{file}: there is no such file; check data.path or data.root")
    rows = reader(file, columns, max_rows)
    records = [Record(file, number, values) for number, values in islice(rows, max_rows + 1)]
    if len(records) > max_rows:
        raise _too_many(file, max_rows)
    return records


def _too_many(file: Path, max_rows: int) -> InputError:
    return InputError(
        f"{file} has more than {max_rows:,} rows, which are all held in memory; where there is "
        "memory for them raise data.max_rows, else leave some out"
    )


def labelled_text(
    records: Sequence[Record],
    labels: Mapping[str, int],
    *,
    text: str,
    text_pair: str | None,
    label: str,
) -> LabelledText:
    """The texts and class indices of records, from the named columns.

    Args:
        records: N rows of a file.
        labels: each label's class index; an integer label is named by its digits.
        text: the column with the texts.
        text_pair: the column with the second texts, if there are any.
        label: the column with the labels.

    Raises:
        InputError: a text is missing or blank, or a label is not among ``labels``.
    """
    indices, known = [], {whole_number(name): index for name, index in labels.items()}
    for row in records:
        name = whole_number(row.name(label))
        if name not in known:
            raise InputError(
                f"{row.place}: {label}={name!r} is not among the labels to learn, "
                f"{listed(labels)}; correct it or remove the row"
            )
        indices.append(known[name])
    pairs = None if text_pair is None else tuple(row.text(text_pair) for row in records)
    return LabelledText(tuple(row.text(text) for row in records), pairs, tuple(indices))


def whole_number(name: str) -> str:
    """A label's name; 1 for 1.0, as which pandas writes the integers of a column with gaps."""
    return name.removesuffix(".0") if _WHOLE.fullmatch(name) else name


Numbered = Iterator[tuple[int, Mapping[str, Any]]]
"""Values by column, each with the line of its file (Parquet: its row, from 1)."""


def _json_lines(file: Path, _: Collection[str], __: int) -> Numbered:
    with file.open("rb") as content:
        lines = iter(lambda: content.readline(LONGEST_TEXT + 1), b"")
        for number, line in enumerate(lines, 1):
            if len(line) > LONGEST_TEXT:
                raise too_long(f"{file}, line {number}")
            if not line.strip():
                continue
            try:
                values = json.loads(line, object_pairs_hook=_each_key_once)
            except (ValueError, RecursionError) as error:
                raise InputError(
                    f"{file}, line {number}: not JSON ({error}); write one object per line, UTF-8"
                ) from error
            if not isinstance(values, dict):
                raise InputError(
                    f"{file}, line {number}: a {type(values).__name__}, not an object; "
                    "write one object per line"
                )
            yield number, values


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} is given twice; keep one")
    return values


def _csv(file: Path, columns: Collection[str], _: int) -> Numbered:
    csv.field_size_limit(LONGEST_TEXT)
    content = _utf8(file)
    first = io.StringIO(content, newline="").readline()
    if len(first) > LONGEST_TEXT:
        raise too_long(f"{file}, line 1")
    delimiter = _delimiter(file, first, columns)
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True, delimiter=delimiter)
    try:
        header = reader.fieldnames or ()
        _check_columns(f"{file}, line 1", columns, header)
        for values in reader:
            # csv files the fields beyond the header under None, and fills missing ones with None.
            if None in values or None in values.values():
                raise _bad_csv(file, reader.line_num, f"not the header's {len(header)} fields")
            yield reader.line_num, values
    except csv.Error as error:
        if "field limit" in str(error):
            raise too_long(f"{file}, line {reader.line_num + 1}") from error
        raise _bad_csv(file, reader.line_num + 1, str(error)) from error


def _delimiter(file: Path, header: str, columns: Collection[str]) -> str:
    """The comma, or what else parts the columns that are asked for; that is said."""
    for delimiter in (",", ";", "\t", "|"):
        if set(columns) <= set(header.strip("\r\n").replace('"', "").split(delimiter)):
            if delimiter != ",":
                write(f"{file}: its columns are parted by {delimiter!r}, not by commas", error=True)
            return delimiter
    return ","


def _bad_csv(file: Path, line: int, reason: str) -> InputError:
    rule = 'quote texts that hold commas, line ends or quotes: "a ""quoted"" text"'
    return InputError(f"{file}, line {line}: {reason}; {rule}")


def _utf8(file: Path) -> str:
    content = file.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}, line {line}: not UTF-8; save the file as UTF-8") from error


def too_long(place: str) -> InputError:
    """The error of a line or text beyond ``LONGEST_TEXT``."""
    return InputError(
        f"{place}: longer than {LONGEST_TEXT >> 20} MiB; cut it, since a model reads some hundred "
        "words of a text, or mend its line ends"
    )


def _parquet(file: Path, columns: Collection[str], max_rows: int) -> Numbered:
    try:
        with pq.ParquetFile(file) as table:
            there = table.schema_arrow.names
            _check_columns(str(file), columns, there)
            # A few bytes may stand for millions of equal rows.
            if table.metadata.num_rows > max_rows:
                raise _too_many(file, max_rows)
            content = table.read(columns=list(columns))
            for column in filter(_holds_text, content.columns):
                if (pc.max(pc.binary_length(column)).as_py() or 0) > LONGEST_TEXT:
                    raise too_long(str(file))
            rows = content.to_pylist()
    # Some values Arrow can hold and Python cannot, such as dates before the year 1.
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise InputError(f"{file}: not a readable Parquet file ({error}); write it anew") from error
    yield from enumerate(rows, 1)


def _holds_text(column: pa.ChunkedArray) -> bool:
    return pa.types.is_string(column.type) or pa.types.is_large_string(column.type)


def _check_columns(place: str, columns: Iterable[str], there: Sequence[str]) -> None:
    for column in columns:
        if column not in there:
            raise _no_column(place, column, there)
        if there.count(column) > 1:
            raise InputError(f"{place}: there are two columns {column!r}; keep one")


def _no_column(place: str, column: str, there: Iterable[str]) -> InputError:
    return InputError(f"{place}: no column {column!r}; {suggestion(column, there)}")


READERS = {".jsonl": _json_lines, ".json": _json_lines, ".csv": _csv, ".parquet": _parquet}
