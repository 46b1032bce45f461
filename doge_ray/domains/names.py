"""Names of domains where there is little room for them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from doge_ray.terminal import shown


def shortened(names: Sequence[str], most: int) -> list[str]:
    """The names as they are shown, the long ones cut in their middle, as different as they were.

    Args:
        names: all that stand together; equal ones stay equal.
        most: cells of a terminal that a name may take; an East Asian letter takes two.
    """
    whole = [shown(name) for name in names]
    short = {name: name for name in whole if cell_len(name) <= most}
    for name in dict.fromkeys(whole):
        number = 1
        while name not in short:
            mark = f" ({number})" if number > 1 else ""
            cut = _cut(name, most - len(mark)) + mark
            if cut not in short.values():
                short[name] = cut
            number += 1
    return [short[name] for name in whole]


def _cut(name: str, most: int) -> str:
    tail = most // 2
    end = set_cell_size(name[::-1], tail)[::-1]
    return f"{set_cell_size(name, most - tail - 1)}…{end}"
