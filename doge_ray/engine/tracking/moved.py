"""A storage that was moved, with MLflow's database in it: its artifacts are where it is now.

MLflow writes down where artifacts lie when an experiment and a run begin, from the root on, and
has no call that changes it. Its tables can be changed.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_PLACES = {"experiments": "artifact_location", "runs": "artifact_uri"}


def follow(database: Path, old: str, new: str) -> None:
    """Let every artifact that is said to lie below ``old`` be said to lie below ``new``.

    Args:
        database: MLflow's.
        old: the folder's former URI.
        new: the present one.
    """
    with closing(sqlite3.connect(database)) as connection, connection:
        for table, column in _PLACES.items():
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 (our own)
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
            )
