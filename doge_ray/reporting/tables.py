"""A table as text cells, for whatever shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, JustifyMethod, RenderResult
from rich.table import Table as TerminalTable

from doge_ray.terminal import shown, styled
from doge_ray.tickets.statistics import Interval, mean_interval
from doge_ray.tickets.ties import decimal


class Link(NamedTuple):
    """A cell that leads to a page."""

    text: str
    href: str


Cell = str | Link


class Table(NamedTuple):
    """Cells under a header; the first ``left`` columns are words, the rest numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    left: int = 1


def percent(value: float | None, form: str = "{:.1f}") -> str:
    """A fraction in percent; nothing where it is not known."""
    return "" if value is None else form.format(100 * decimal(value))


def plus_minus(values: Sequence[float | None], over: str = "seed") -> str:
    """Mean in percent with Student's 95 % interval over seeds, or what else they are of."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    interval = mean_interval(known)
    if len(known) == 1:
        return f"{percent(interval.mean)} (one {over})"
    return f"{percent(interval.mean)} ± {percent(interval.high - interval.mean)}"


def signed(interval: Interval) -> str:
    """A difference in percent points with the ends of its interval."""
    mean, low, high = (percent(value, "{:+.1f}") for value in interval)
    return f"{mean} [{low}, {high}]"


def markdown(table: Table) -> str:
    """A table with its notes as a list."""
    lines = (table.header, ["---"] * len(table.header), *table.rows)
    cells = [f"| {' | '.join(_literal(text(cell)) for cell in line)} |" for line in lines]
    return "\n".join([*cells, "", *(f"- {note}" for note in table.notes)])


def _literal(text: str) -> str:
    """A text as Markdown shows it, in one line of a table."""
    text = shown(text).replace("\n", " ").replace("\t", " ")
    text = re.sub(r"([\\|`*~<]|(?<!\w)_|_(?!\w)|\](?=\())", r"\\\1", text)
    return text.replace("&", "&amp;") if re.search(r"&\w+;|&#", text) else text


def terminal(table: Table, title: str) -> ConsoleRenderable:
    """A table for a terminal; its notes are in the files.

    Where it is wider than the terminal, its columns go on below, with the words of each line again.
    """
    return _Banded(table, title)


@dataclass(frozen=True)
class _Banded:
    table: Table
    title: str

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        left = range(self.table.left)
        for number, columns in enumerate(_bands(self.table, options.max_width)):
            title = None if number else styled(self.title)
            shown = TerminalTable(title=title, title_justify="left")
            for column in (*left, *columns):
                justify: JustifyMethod = "left" if column in left else "right"
                shown.add_column(styled(self.table.header[column]), justify=justify)
            for row in self.table.rows:
                shown.add_row(*(styled(text(row[column])) for column in (*left, *columns)))
            yield shown


def _bands(table: Table, width: int) -> list[list[int]]:
    """The columns of numbers in their order, as many at a time as have room beside the words."""
    lines = (table.header, *table.rows)
    # A column has a space on both sides and a line behind it.
    widths = [3 + max(cell_len(text(line[c])) for line in lines) for c in range(len(table.header))]
    room = width - 1 - sum(widths[: table.left])
    bands: list[list[int]] = [[]]
    for column in range(table.left, len(widths)):
        if bands[-1] and sum(widths[c] for c in bands[-1]) + widths[column] > room:
            bands.append([])
        bands[-1].append(column)
    return bands


def text(cell: Cell) -> str:
    """What a cell says, without where it leads."""
    return cell.text if isinstance(cell, Link) else cell
