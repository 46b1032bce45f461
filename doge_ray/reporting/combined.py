"""One table of several sweeps: by column of the paper's table, and sweep by sweep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from doge_ray.reporting.differences import ENOUGH_SEEDS, difference, difference_text
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Table, markdown, percent, plus_minus, signed
from doge_ray.tickets.statistics import mean_interval
from doge_ray.tickets.ties import decimal

AVERAGE = "average"
_HEADER = ("data", "method", "sweeps", "removed", "target", "vs dense", "oracle", "paper")


@dataclass(frozen=True)
class PartRecords:
    """A part: the column it belongs to, the paper's results in percent, and ours so far."""

    name: str
    column: str
    paper: Mapping[str, float]
    records: SweepRecords | None


def combined(parts: Sequence[PartRecords]) -> Table:
    """One line per column and method; in the end the average over columns."""
    columns = list(dict.fromkeys(part.column for part in parts))
    lines = [
        _line(column, method, [part for part in parts if part.column == column])
        for column in columns
        for method in _methods([part for part in parts if part.column == column])
    ]
    if len(columns) > 1:
        lines += [_average(method, columns, parts) for method in _methods(parts)]
    return Table(_HEADER, lines, _NOTES, left=2)


def sweep_by_sweep(parts: Sequence[PartRecords]) -> Table | None:
    """One line per sweep and method, where a column has several sweeps."""
    if len({part.column for part in parts}) == len(parts):
        return None
    lines = [_line(part.name, method, [part]) for part in parts for method in _methods([part])]
    return Table(_HEADER, lines, left=2)


def combined_markdown(name: str, parts: Sequence[PartRecords]) -> str:
    """The table by columns, every sweep where a column has several, and how to read them."""
    text, each = [f"# {name}", "", markdown(combined(parts)), ""], sweep_by_sweep(parts)
    if each is not None:
        text += ["## Every sweep", "", markdown(each)]
    return "\n".join(text)


_NOTES = (
    "In percent, mean over target domains. sweeps: those with a result, of all. removed: share of "
    "the encoder's parameters, of the chosen trials.",
    "target: the chosen configurations repeated with fresh seeds, and Student's 95 % interval: "
    "over seeds where the column is one sweep, over the sweeps' means where it is several.",
    "vs dense: paired by seed and example, with its 95 % bootstrap interval, too narrow below "
    f"{ENOUGH_SEEDS} seeds; where the column is several sweeps, the mean of their differences and "
    "Student's interval over them.",
    "oracle: selected on the test set, as the paper's figures are; biased upwards.",
    "average: over the columns, where all have a result.",
)


def _line(label: str, method: str, parts: Sequence[PartRecords]) -> tuple[str, ...]:
    targets = [target for part in parts if (target := _targets(part, method))]
    means = [float(np.mean(target)) for target in targets]
    return (
        label,
        method,
        f"{len(means)} of {len(parts)}",
        percent(_mean(_removed(part, method) for part in parts), "{:.0f} %"),
        plus_minus(targets[0]) if len(parts) == 1 and targets else plus_minus(means, "sweep"),
        _against_dense(method, parts),
        percent(_mean(_oracle(part, method) for part in parts)),
        _paper(method, parts),
    )


def _average(method: str, columns: Sequence[str], parts: Sequence[PartRecords]) -> tuple[str, ...]:
    by_column = [[part for part in parts if part.column == column] for column in columns]
    ours = [_mean(_mean(_targets(part, method)) for part in of) for of in by_column]
    oracle = [_mean(_oracle(part, method) for part in of) for of in by_column]
    removed = [_mean(_removed(part, method) for part in of) for of in by_column]
    paper = [_paper(method, of) for of in by_column]
    return (
        AVERAGE,
        method,
        "",
        percent(_mean_of_all(removed), "{:.0f} %"),
        percent(_mean_of_all(ours)),
        "",
        percent(_mean_of_all(oracle)),
        f"{decimal(fmean(map(float, paper))):.1f}" if all(paper) else "",
    )


def _methods(parts: Iterable[PartRecords]) -> list[str]:
    """Those of the sweeps, and those that the paper alone has."""
    swept = [method for part in parts if part.records for method in part.records.methods]
    return list(dict.fromkeys([*swept, *(method for part in parts for method in part.paper)]))


def _targets(part: PartRecords, method: str) -> list[float]:
    """Target metrics of the chosen configuration's finished replicates, in [0, 1]."""
    rows = part.records.replicates(method) if part.records else []
    return [row.target_metric for row in rows if row.target_metric is not None]


def _against_dense(method: str, parts: Sequence[PartRecords]) -> str:
    if method == "dense":
        return ""
    found = [
        interval
        for part in parts
        if part.records and (interval := difference(part.records, method, "dense")) is not None
    ]
    if len(parts) == 1:
        return difference_text(found[0] if found else None)
    if len(found) < 2:
        return "".join(f"{percent(each.mean, '{:+.1f}')} (one sweep)" for each in found)
    return signed(mean_interval([interval.mean for interval in found]))


def _oracle(part: PartRecords, method: str) -> float | None:
    best = part.records.oracle(method) if part.records else None
    return None if best is None else best.target_metric


def _removed(part: PartRecords, method: str) -> float | None:
    chosen = part.records.chosen(method) if part.records else None
    return None if chosen is None else chosen.parameter_fraction


def _paper(method: str, parts: Iterable[PartRecords]) -> str:
    return next((f"{part.paper[method]:.1f}" for part in parts if method in part.paper), "")


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _mean_of_all(values: Sequence[float | None]) -> float | None:
    return None if None in values else _mean(values)
