"""What to do where a batch does not fit into memory: take half of it at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from doge_ray.domains.batches import Rows

# How torch says on a processor what on a GPU is an error class of its own.
_ON_PROCESSOR = "DefaultCPUAllocator: can't allocate memory"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on a GPU or on the host."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or _ON_PROCESSOR in str(error)


def in_parts_that_fit(work: Callable[[Rows], None], rows: Rows) -> None:
    """Do ``work`` on rows, or on one half after the other where they do not fit together.

    Args:
        work: fails before it leaves anything behind, or not at all.
        rows: indices (B,).

    Raises:
        torch.OutOfMemoryError, MemoryError, RuntimeError: a single row does not fit.
    """
    if _fits(work, rows):
        return
    for half in np.array_split(rows, 2):
        in_parts_that_fit(work, half)


def _fits(work: Callable[[Rows], None], rows: Rows) -> bool:
    try:
        work(rows)
    except (RuntimeError, MemoryError) as error:
        if len(rows) == 1 or not is_out_of_memory(error):
            raise
        return False  # only now is the error gone, and with it the tensors of its frames
    return True
