"""A table as text cells, for whatever shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.markup import escape
from rich.table import Table as TerminalTable

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
    cells = [f"| {' | '.join(map(text, line))} |" for line in lines]
    return "\n".join([*cells, "", *(f"- {note}" for note in table.notes)])


def terminal(table: Table, title: str) -> TerminalTable:
    """A table for a terminal; its notes are in the files."""
    shown = TerminalTable(title=title, title_justify="left")
    for column, name in enumerate(table.header):
        shown.add_column(name, justify="left" if column < table.left else "right")
    for row in table.rows:
        shown.add_row(*(escape(text(cell)) for cell in row))
    return shown


def text(cell: Cell) -> str:
    """What a cell says, without where it leads."""
    return cell.text if isinstance(cell, Link) else cell
