"""``summary.md``: the comparison of all methods, chosen honestly, with its uncertainty."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from doge_ray.reporting.differences import difference, difference_text
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import markdown, percent, plus_minus

_HEADER = (
    "method",
    "trials",
    "sparsity",
    "λ",
    "removed",
    "source dev",
    "target",
    "deduplicated",
    "vs dense",
    "oracle",
)

_METRICS = {
    "classification": "Accuracy",
    "tagging": "Entity F1 (exact spans of whole words, micro-averaged per domain)",
}


def comparison(records: SweepRecords) -> list[tuple[str, ...]]:
    """One line per method, with a header; metrics in percent."""
    return [_HEADER, *(_line(method, records) for method in records.methods)]


def summary_markdown(records: SweepRecords) -> str:
    """The comparison with the notes that it needs to be read rightly."""
    table = markdown(comparison(records))
    return "\n".join([f"# {records.name}", "", *table, "", *_notes(records), ""])


def _line(method: str, records: SweepRecords) -> tuple[str, ...]:
    search, replicates = records.search(method), records.replicates(method)
    chosen = next((row for row in search if row.selected_source_dev), None)
    oracle = next((row.target_metric for row in search if row.selected_oracle), None)
    trained = sum(row.trained for row in search)
    return (
        method,
        f"{sum(row.status != 'running' for row in search)} ({trained})",
        "" if chosen is None else f"{chosen.sparsity:.2f}",
        "" if chosen is None or chosen.variance_weight is None else f"{chosen.variance_weight:g}",
        "" if chosen is None else percent(chosen.parameter_fraction, "{:.0f} %"),
        "" if chosen is None else percent(chosen.dev_metric),
        plus_minus([row.target_metric for row in replicates]),
        plus_minus([row.target_metric_deduplicated for row in replicates]),
        "" if method == "dense" else difference_text(difference(records, method, "dense")),
        percent(oracle),
    )


def _notes(records: SweepRecords) -> list[str]:
    seeds = {row.replicate for method in records.methods for row in records.replicates(method)}
    failed = [row for row in records.rows if row.status == "failed"]
    notes = [
        f"{_METRICS[records.task]} in percent, mean over domains. trials: of the search, in "
        "brackets how many distinct trainings they needed. removed: share of the encoder's "
        "parameters.",
        "Each method's configuration was chosen by the source domains' dev metric, with an equal "
        "number of trials; source dev is that of the chosen trial.",
        f"target: the chosen configuration repeated with {len(seeds)} fresh seed(s) that took no "
        "part in the choice, each with its own fine-tuning, scores and ticket; ± is Student's "
        "95 % interval over seeds. deduplicated: without target texts that stand in the sources "
        "too, up to case and white space.",
        "vs dense: same seeds, same examples; 95 % bootstrap interval over both. With fewer than "
        "five seeds it is too narrow: do not read a winner from it.",
        "oracle: **selected on the test set**, the best single trial of the search. It is biased "
        "upwards and shown only because the field reports it.",
    ]
    if failed:
        notes.append(f"{len(failed)} trial(s) failed; trials.parquet gives the errors.")
    return [f"- {note}" for note in notes]


def comparison_table(records: SweepRecords) -> Table:
    """The comparison for a terminal."""
    header, *lines = comparison(records)
    table = Table(title=records.name, title_justify="left")
    for name in header:
        table.add_column(name, justify="left" if name == "method" else "right")
    for line in lines:
        table.add_row(*(escape(cell) for cell in line))
    return table
