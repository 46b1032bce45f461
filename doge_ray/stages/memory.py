"""What to do where a batch does not fit into memory: take half of it at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from doge_ray.domains.batches import Rows

# What is no error class of its own: memory of a processor, and of a GPU outside torch's own pool.
_SAID = (
    "DefaultCPUAllocator: can't allocate memory",
    "CUDA error: out of memory",
    "HIP error: out of memory",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "cudaErrorMemoryAllocation",
    "hipErrorOutOfMemory",
    "Cuda failure 'out of memory'",
    "Cuda failure 2 'out of memory'",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "HIPBLAS_STATUS_ALLOC_FAILED",
    "backend out of memory",
)


# So does a library that finds no room for its workspace, and one whose device is lost.
_SAID_TOO = (
    "CUBLAS_STATUS_NOT_INITIALIZED",
    "CUDNN_STATUS_INTERNAL_ERROR",
    "CUDNN_STATUS_NOT_INITIALIZED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on a GPU or on the host."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if any(text in str(error) for text in _SAID):
        return True
    return any(text in str(error) for text in _SAID_TOO) and _memory_is_short()


def _memory_is_short() -> bool:
    """Whether little of a GPU is free, where there is one; a lost one says nothing of that."""
    try:
        if not torch.cuda.is_available():
            return True
        free, whole = torch.cuda.mem_get_info()
    except RuntimeError:
        return False
    return free < whole / 10


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
