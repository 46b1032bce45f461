"""One method against another: how large the difference is, and what it would take to be sure."""

from __future__ import annotations

import numpy as np

from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.tables import Table, percent, signed
from doge_ray.tickets.power import replicates_needed
from doge_ray.tickets.statistics import Interval, paired_bootstrap

EFFECT = 0.005
"""The difference of target metrics that a study should be able to see: half a point."""
ENOUGH_SEEDS = 5
"""With fewer, a bootstrap over seeds is too narrow."""


def difference(
    records: SweepRecords, method: str, baseline: str, *, deduplicated: bool = False
) -> Interval | None:
    """Paired difference of target metrics with its bootstrap interval.

    Args:
        records: of a sweep; keeps what was found.
        method: whose metric is the minuend.
        baseline: the method that it is compared with.
        deduplicated: without target texts that stand in the sources too.

    Returns:
        As a fraction; the interval's ends are NaN where there is one seed. None where the two have
        no seed in common.
    """
    key = method, baseline, deduplicated
    if key not in records.differences:
        records.differences[key] = _bootstrapped(records, *key)
    interval: Interval | None = records.differences[key]
    return interval


def _bootstrapped(
    records: SweepRecords, method: str, baseline: str, deduplicated: bool
) -> Interval | None:
    pairs = records.pairs(method, baseline, deduplicated=deduplicated)
    known = {name: pair for name, pair in pairs.items() if pair[0].expected.any()}
    if not known:
        return None
    interval = paired_bootstrap(known)
    if len(next(iter(known.values()))[0].matched) == 1:
        # Examples alone would look too sure.
        return Interval(interval.mean, float("nan"), float("nan"))
    return interval


def difference_text(interval: Interval | None) -> str:
    """In percent points."""
    if interval is None:
        return ""
    if np.isnan(interval.low):
        return f"{percent(interval.mean, '{:+.1f}')} (one seed)"
    return signed(interval)


def compared(records: SweepRecords) -> list[tuple[str, str]]:
    """Every method against dense, doge against the tickets it should beat, both against each."""
    pairs = [(method, "dense") for method in records.methods if method != "dense"]
    for method in records.methods:
        kind, plus, objective = method.partition("+")
        rivals = [f"{other}{plus}{objective}" for other in ("winning", "random")]
        parts = [kind, objective] if plus else []
        others = (rivals if kind == "doge" else []) + parts
        pairs += [(method, other) for other in others if other in records.methods]
    return pairs


def difference_table(records: SweepRecords) -> Table:
    """All comparisons, with the seeds they rest on and those they would need."""
    rows = []
    for method, baseline in compared(records):
        by_seed = records.seed_differences(method, baseline)
        needed = replicates_needed(by_seed, EFFECT)
        rows.append(
            (
                f"{method} - {baseline}",
                str(len(by_seed)),
                difference_text(difference(records, method, baseline)),
                difference_text(difference(records, method, baseline, deduplicated=True)),
                "" if len(by_seed) < 2 else percent(float(np.std(by_seed, ddof=1)), "{:.2f}"),
                _rough(needed, len(by_seed)),
            )
        )
    header = (
        "comparison",
        "seeds",
        "difference",
        "deduplicated",
        "sd over seeds",
        "seeds for 0.5 points",
    )
    notes = [
        "Percent points, for the same seeds and the same target examples; in brackets the 95 % "
        f"interval of a bootstrap over both. With fewer than {ENOUGH_SEEDS} seeds it is too "
        "narrow: do not read a winner from it.",
        "seeds for 0.5 points: replicates at which a paired two-sided t-test at 5 % would find a "
        "true difference of half a point four times in five, if differences go on spreading as "
        f"they did. ~ from fewer than {ENOUGH_SEEDS} seeds: a rough guess, as is the spread.",
    ]
    return Table(header, rows, notes)


def _rough(needed: int | None, seeds: int) -> str:
    if needed is None:
        return "not known"
    return f"{'~' if seeds < ENOUGH_SEEDS else ''}{needed:,}"
