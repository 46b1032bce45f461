"""Names of domains where there is little room for them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size


def shortened(names: Sequence[str], most: int) -> list[str]:
    """The names, the long ones cut in their middle, as different from each other as they were.

    Args:
        names: all that stand together; equal ones stay equal.
        most: cells of a terminal that a name may take; an East Asian letter takes two.
    """
    shown = {name: name for name in names if cell_len(name) <= most}
    for name in dict.fromkeys(names):
        number = 1
        while name not in shown:
            mark = f" ({number})" if number > 1 else ""
            short = _cut(name, most - len(mark)) + mark
            if short not in shown.values():
                shown[name] = short
            number += 1
    return [shown[name] for name in names]


def _cut(name: str, most: int) -> str:
    tail = most // 2
    end = set_cell_size(name[::-1], tail)[::-1]
    return f"{set_cell_size(name, most - tail - 1)}…{end}"
