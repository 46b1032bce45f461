"""The table of all trials, ``trials.parquet``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, get_args, get_type_hints

import pyarrow as pa
import pyarrow.parquet as pq

from doge_ray.config.methods import ALL, hyperparameters, objective_of
from doge_ray.hyperparameters import TRAINING, Hyperparameter
from doge_ray.tickets.ticket import Ticket

Key = tuple[str, int, int]
"""Method, trial, replicate."""

_BEHIND = {"column": False}
"""Marks what a report knows of a trial and the table has no room for."""


def _type_of(each: Hyperparameter) -> Any:
    kind = int if each.whole else float
    return kind if each in TRAINING or each.absent is not None else kind | None


_Drawn: Any = make_dataclass(
    "_Drawn",
    [
        *((name, Any) for name in ("method", "trial", "replicate")),
        *((name, _type_of(each)) for name, each in ALL.items()),
    ],
    frozen=True,
)


@dataclass(frozen=True)
class TrialRow(_Drawn):
    """One trial. Metrics are fractions; those of trials that did not finish are None.

    It begins with method, trial, replicate and every hyper-parameter of ``config.methods.ALL``.
    ``replicate`` is 0 for the search and counts fresh seeds from 1. ``trained`` is False where an
    earlier row's training, with the same mask, rate, batch size and seed, served this trial too;
    ``seconds`` is then 0.

    Behind the columns: ``stage`` is the training's digest, ``drawn`` the ticket, ``history`` a
    mapping per epoch (epoch, loss, dev_metric, dev by domain, seconds), ``target`` the metric by
    target domain, ``target_deduplicated`` the same without texts that stand in the sources too.
    """

    method: str
    trial: int
    replicate: int
    ticket: str | None
    seed: int
    dev_metric: float | None
    selection_metric: float | None
    target_metric: float | None
    target_metric_deduplicated: float | None
    selected: bool
    selected_oracle: bool
    trained: bool
    seconds: float | None
    error: str | None
    status: str
    epochs: int | None
    unit_fraction: float | None
    parameter_fraction: float | None
    stage: str | None = field(default=None, metadata=_BEHIND)
    drawn: Ticket | None = field(default=None, metadata=_BEHIND)
    history: Sequence[Mapping[str, Any]] = field(default=(), metadata=_BEHIND)
    target: Mapping[str, float] = field(default_factory=dict, metadata=_BEHIND)
    target_deduplicated: Mapping[str, float] = field(default_factory=dict, metadata=_BEHIND)

    @property
    def key(self) -> Key:
        """Which trial of the sweep it is."""
        return self.method, self.trial, self.replicate

    @property
    def training(self) -> tuple[object, ...]:
        """What a training of the method is determined by: trials of equal ones share it."""
        drawn = hyperparameters(objective_of(self.method) or "dense")
        return self.ticket, self.seed, *(getattr(self, each.name) for each in drawn)

    @property
    def name(self) -> str:
        """What the trial is called in the sweep's folder and in MLflow."""
        return f"{self.method}-{self.trial:04d}-{self.replicate}"


COLUMNS = tuple(each.name for each in fields(TrialRow) if each.metadata.get("column", True))
_ARROW = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def _schema() -> pa.Schema:
    """The columns, in their order."""
    hints = get_type_hints(TrialRow)
    plain = ((name, get_args(hints[name]) or (hints[name],)) for name in COLUMNS)
    return pa.schema([(name, _ARROW[types[0]]) for name, types in plain])


def rows_to_parquet(rows: Sequence[TrialRow]) -> bytes:
    """The table as a Parquet file."""
    sink = pa.BufferOutputStream()
    columns = [{name: getattr(row, name) for name in COLUMNS} for row in rows]
    pq.write_table(pa.Table.from_pylist(columns, _schema()), sink)
    return bytes(sink.getvalue().to_pybytes())
