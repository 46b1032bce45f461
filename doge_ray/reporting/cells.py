"""How numbers stand in tables: fractions become percent, what is unknown stays empty."""

from __future__ import annotations

from collections.abc import Sequence

from doge_ray.tickets.statistics import mean_interval


def plus_minus(values: Sequence[float | None]) -> str:
    """The mean with half of Student's 95 % interval; one value has none."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    interval = mean_interval(known)
    if len(known) == 1:
        return f"{100 * interval.mean:.1f} (one seed)"
    return f"{100 * interval.mean:.1f} ± {100 * (interval.high - interval.mean):.1f}"


def percent(value: float | None, form: str = "{:.1f}") -> str:
    """A fraction in percent."""
    return "" if value is None else form.format(100 * value)


def markdown(lines: Sequence[Sequence[str]]) -> list[str]:
    """A table, its header first."""
    header, *rows = lines
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
