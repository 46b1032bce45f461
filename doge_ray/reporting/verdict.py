"""What may be concluded, and how much of it would be choosing on the test set."""

from __future__ import annotations

from doge_ray.reporting.differences import ENOUGH_SEEDS, difference
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Table, percent, plus_minus
from doge_ray.tickets.power import oracle_bias
from doge_ray.tickets.ties import above


def oracle_table(records: SweepRecords) -> Table:
    """The same trials chosen honestly and on the test set, with what luck alone explains."""
    rows = []
    for method in records.methods:
        honest, oracle = records.chosen(method), records.oracle(method)
        trainings = [row.target_metric for row in records.trainings(method)]
        metrics = [metric for metric in trainings if metric is not None]
        mine = None if honest is None else honest.target_metric
        best = None if oracle is None else oracle.target_metric
        gap = None if mine is None or best is None else best - mine
        published = records.config.published(method)
        rows.append(
            (
                method,
                str(len(metrics)),
                percent(mine),
                percent(best),
                percent(gap, "{:+.1f}"),
                percent(oracle_bias(metrics), "{:+.1f}") or "not known",
                plus_minus([row.target_metric for row in records.replicates(method)]),
                "" if published is None else f"{published:.1f}",
            )
        )
    header = (
        "method",
        "trainings",
        f"chosen by {records.selection.word}",
        "chosen on the test set",
        "gap",
        "gap by luck",
        "fresh seeds",
        "paper",
    )
    notes = [
        "chosen on the test set: the oracle, the best single trial by the target metric, as the "
        "paper chooses. It is biased upwards and shown only because the field reports it.",
        "gap by luck: the gap to expect if all trainings of the search were equally good and "
        "spread as they do, E[max of n] standard deviations. A gap of that size is no reason to "
        "think one configuration better than another. Where configurations truly differ, it is "
        "too large.",
    ]
    if any(row[-1] for row in rows):
        notes.append(
            "paper: as published, chosen on the test set from one seed, on the paper's model and "
            "all of its data. Compare it with the oracle column, and only for the same model."
        )
        return Table(header, rows, notes)
    return Table(header[:-1], [row[:-1] for row in rows], notes)


def verdict(records: SweepRecords) -> str:
    """What the intervals allow to be said, in words."""
    if records.config.selection == "oracle":
        return f"Chosen on the test set, so biased upwards. {_of_intervals(records)}"
    return _of_intervals(records)


def _of_intervals(records: SweepRecords) -> str:
    seen: dict[str, str] = {}
    seeds = [len(records.seed_differences(m, "dense")) for m in records.methods if m != "dense"]
    for method in records.methods:
        interval = None if method == "dense" else difference(records, method, "dense")
        if interval is not None and (above(interval.low, 0) or above(0, interval.high)):
            seen[method] = "better" if above(interval.low, 0) else "worse"
    if not any(seeds):
        return "No method was repeated beside dense yet, so nothing can be compared."
    if max(seeds) < 2:
        return "One seed per method: no difference between methods can be told from chance."
    few = f" With {max(seeds)} seeds at most this is provisional: the intervals are too narrow."
    caution = few if max(seeds) < ENOUGH_SEEDS else ""
    if not seen:
        return f"No method's interval against dense excludes zero.{caution}"
    told = "; ".join(f"{method} is {how} than dense" for method, how in seen.items())
    return f"Intervals that exclude zero: {told}. All others include it.{caution}"
