"""Kernels as another processor would choose them, each a few environment variables.

OpenBLAS has one set of kernels for each generation of processors, numpy and torch have one for
each width of vectors. A library that is told nothing takes the best that the processor has.
"""

from __future__ import annotations

import os

import numpy as np

Kernel = dict[str, str]

OPENBLAS: dict[str, Kernel] = {
    core: {"OPENBLAS_CORETYPE": core} for core in ("Haswell", "SkylakeX", "Zen", "Prescott")
}
THREADS: dict[str, Kernel] = {
    f"{number} thread(s)": {"OPENBLAS_NUM_THREADS": number, "OMP_NUM_THREADS": number}
    for number in ("1", "2")
}
# What torch hands to MKL and oneDNN goes the same way.
TORCH: dict[str, Kernel] = {
    "torch default": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
    "torch avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
}


def vectors() -> list[str]:
    """The vector instructions that numpy has kernels for and this processor has, oldest first."""
    return list(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))


def without_vectors(kept: int) -> Kernel:
    """numpy with the oldest ``kept`` of them alone; it knows the names, since they are its own."""
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(vectors()[kept:])}


def all_kernels() -> dict[str, Kernel]:
    """Each by itself, for ``make test-kernels``."""
    numpy = {"numpy's baseline": without_vectors(0), "numpy's oldest vectors": without_vectors(1)}
    return OPENBLAS | numpy | TORCH | THREADS


def environment(kernel: Kernel) -> dict[str, str]:
    """This process's variables, but no choice of a kernel except the given one."""
    chosen = {name for each in all_kernels().values() for name in each}
    rest = {name: value for name, value in os.environ.items() if name not in chosen}
    return rest | kernel
