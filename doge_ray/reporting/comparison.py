"""The table that every report begins with: one line per method, chosen honestly."""

from __future__ import annotations

from doge_ray.reporting.differences import ENOUGH_SEEDS, difference, difference_text
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Table, percent, plus_minus
from doge_ray.tickets.kinds import KINDS
from doge_ray.tickets.metrics import METRICS

# Of the chosen trial, what its ticket was drawn by.
_DRAWN = {each.name: each for kind in KINDS.values() for each in kind.hyperparameters}
_HEADER = (
    "method",
    "trials",
    *(each.heading for each in _DRAWN.values()),
    "removed",
    "source dev",
    "target",
    "deduplicated",
    "vs dense",
)


def comparison(records: SweepRecords) -> Table:
    """What was chosen for each method, and what its repeats reach; metrics in percent."""
    return Table(_HEADER, [_line(method, records) for method in records.methods], _notes(records))


def with_oracle(records: SweepRecords) -> Table:
    """The comparison with what choosing on the test set would report in a last column."""
    table = comparison(records)
    rows = []
    for row, method in zip(table.rows, records.methods, strict=True):
        best = records.oracle(method)
        rows.append((*row, percent(None if best is None else best.target_metric)))
    note = (
        "oracle: **selected on the test set**, the best single trial of the search. It is biased "
        "upwards and shown only because the field reports it."
    )
    return Table((*table.header, "oracle"), rows, (*table.notes, note))


def _line(method: str, records: SweepRecords) -> tuple[str, ...]:
    search, repeats = records.search(method), records.replicates(method)
    chosen = records.chosen(method)
    return (
        method,
        f"{sum(row.status != 'running' for row in search)} ({len(records.trainings(method))})",
        *(
            "" if chosen is None else each.shown(getattr(chosen, name))
            for name, each in _DRAWN.items()
        ),
        "" if chosen is None else percent(chosen.parameter_fraction, "{:.0f} %"),
        "" if chosen is None else percent(chosen.dev_metric),
        plus_minus([row.target_metric for row in repeats]),
        plus_minus([row.target_metric_deduplicated for row in repeats]),
        "" if method == "dense" else difference_text(difference(records, method, "dense")),
    )


def _notes(records: SweepRecords) -> list[str]:
    seeds = {row.replicate for method in records.methods for row in records.replicates(method)}
    return [
        f"{METRICS[records.task].title} in percent, mean over domains. trials: of the search, in "
        "brackets how many distinct trainings they needed. removed: share of the encoder's "
        "parameters.",
        f"Each method's configuration was chosen {records.selection.phrase}, with an equal "
        "number of trials; source dev is that of the chosen trial.",
        f"target: the chosen configuration repeated with {len(seeds)} fresh seed(s) that took no "
        "part in the choice, each with its own fine-tuning, scores and ticket; ± is Student's "
        "95 % interval over seeds. deduplicated: without target texts that stand in the sources "
        "too, up to case and white space.",
        "vs dense: same seeds, same examples; 95 % bootstrap interval over both. With fewer than "
        f"{ENOUGH_SEEDS} seeds it is too narrow: do not read a winner from it.",
    ]
