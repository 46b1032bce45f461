"""Every number that decides or is printed, computed again as on other processors.

``make test-kernels`` runs the tests of the mathematics themselves in that way, kernel by kernel.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

from tests.kernels.numbers import numbers
from tests.kernels.scores import scores
from tests.kernels.settings import (
    OPENBLAS,
    THREADS,
    TORCH,
    Kernel,
    environment,
    without_vectors,
)

PROCESSORS: dict[str, Kernel] = {
    "Prescott": OPENBLAS["Prescott"] | without_vectors(0) | THREADS["1 thread(s)"],
    "Haswell": OPENBLAS["Haswell"] | without_vectors(1) | THREADS["2 thread(s)"],
    "SkylakeX": OPENBLAS["SkylakeX"] | THREADS["2 thread(s)"],
}
ALIASES = {"Katmai": "Prescott"}
"""What OpenBLAS calls kernels that it was built with in place of older ones."""


def answer(module: str, kernel: Kernel) -> dict[str, Any]:
    """What a process prints that computes with these kernels; skips where it cannot."""
    command = [sys.executable, "-m", f"tests.kernels.{module}"]
    done = subprocess.run(
        command, env=environment(kernel), capture_output=True, text=True, check=False
    )
    if done.returncode == -signal.SIGILL:
        pytest.skip(f"this processor cannot run {kernel}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def computed(processor: str) -> dict[str, Any]:
    found = answer("numbers", PROCESSORS[processor])
    if not found["kernel"]["cores"]:
        pytest.skip("numpy's BLAS is not OpenBLAS, and its kernels cannot be chosen")
    return found


@pytest.mark.parametrize("processor", PROCESSORS)
def test_numbers_are_the_same_in_every_bit(processor):
    here = json.loads(json.dumps(numbers()))
    there = computed(processor)["numbers"]
    assert there.keys() == here.keys()
    for name, expected in here.items():
        assert there[name] == expected, name


@pytest.mark.parametrize("processor", PROCESSORS)
def test_they_were_computed_with_those_kernels(processor):
    """Or all of this would only say that a number is itself."""
    asked, used = PROCESSORS[processor], computed(processor)["kernel"]
    assert [ALIASES.get(core, core) for core in used["cores"]] == [processor]
    assert used["threads"] == [int(asked["OPENBLAS_NUM_THREADS"])]
    disabled = asked.get("NPY_DISABLE_CPU_FEATURES", "").split()
    assert not set(used["vectors"]) & set(disabled)


def test_those_kernels_round_in_different_ways():
    assert len({computed(processor)["rounding"] for processor in ("Prescott", "Haswell")}) == 2


def test_torchs_kernels_draw_the_same_tickets():
    """From scores that differ by rounding only; none of this network's lie as close as that."""
    here, there = scores(), answer("scores", TORCH["torch default"])
    assert there["capability"] == "DEFAULT"
    assert there["sums"] == pytest.approx(here["sums"], rel=1e-4)
    assert there["tickets"] == here["tickets"]
