"""Every trial, not just the best."""

from __future__ import annotations

from doge_ray.config.methods import ALL, objective_of
from doge_ray.objectives import OBJECTIVES
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Cell, Link, Table, percent
from doge_ray.reporting.trial_rows import TrialRow

_HEADER = (
    "trial",
    "chosen",
    *(each.heading for each in ALL.values()),
    "removed",
    "ticket",
    "source dev",
    "target",
    "deduplicated",
    "epochs",
    "seconds",
    "run",
)


def trials_table(records: SweepRecords) -> Table:
    """One line per trial and repeat; without columns that hold nothing."""
    lines = [_line(row, records) for row in records.rows]
    notes = [
        "trial: method, number in the search, replicate (0 is the search itself). chosen: by "
        f"{records.selection.word}, or on the test set (oracle). seconds 0: an earlier line's "
        "training served.",
    ]
    for objective in filter(None, dict.fromkeys(map(objective_of, records.methods))):
        drawn = OBJECTIVES[objective].hyperparameters
        notes.append("; ".join(f"{each.called}: {each.meaning}" for each in drawn) + ".")
    if records.runs:
        notes.append(
            "run: the first characters of the MLflow run's id. The links need MLflow's server to "
            "be up: for runs in a file, start it with what the sweep's command says last."
        )
    optional = [*(each.heading for each in ALL.values()), "run"]
    columns = map(_HEADER.index, optional)
    empty = [column for column in columns if not any(line[column] for line in lines)]
    shown = [column for column in range(len(_HEADER)) if column not in empty]
    rows = [[line[column] for column in shown] for line in lines]
    return Table([_HEADER[column] for column in shown], rows, notes, left=2)


def _line(row: TrialRow, records: SweepRecords) -> tuple[Cell, ...]:
    run = records.runs.get(row.key)
    return (
        row.name,
        _mark(row, records.selection.word),
        *(each.shown(getattr(row, name)) for name, each in ALL.items()),
        percent(row.parameter_fraction, "{:.0f} %"),
        row.ticket or "",
        percent(row.dev_metric),
        percent(row.target_metric),
        percent(row.target_metric_deduplicated),
        "" if row.epochs is None else str(row.epochs),
        "" if row.seconds is None else f"{row.seconds:.0f}",
        "" if run is None else Link(run.run_id[:8], run.url),
    )


def _mark(row: TrialRow, selection: str) -> str:
    if row.status != "finished":
        return row.status
    marks = [(selection, row.selected), ("oracle", row.selected_oracle)]
    return ", ".join(name for name, marked in marks if marked)
