"""What an evaluation has published of every example."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from doge_ray.engine.work.graph import PREDICTIONS
from doge_ray.errors import InputError


def read_predictions(folder: Path) -> pa.Table:
    """One row per target example, in file order.

    Columns domain, label, prediction (of a sentence: lists of tags), duplicate, and the counts
    matched, predicted, expected.

    Raises:
        InputError: the file is damaged.
    """
    file = folder / PREDICTIONS
    try:
        return pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{file} is damaged ({error}); delete {folder.parent}, and the same sweep predicts "
            "again"
        ) from None
