"""One trial at a time per stage: trials with identical tickets wait for the first.

A claim is held by a trial's name, and the driver gives back the claims of every trial that ends,
however it ended; so a killed trial blocks nobody.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray


class Claims:
    """Which trial works on which stage."""

    def __init__(self) -> None:
        self._holders: dict[str, str] = {}

    def claim(self, stage: str, trial: str) -> bool:
        """Whether ``trial`` may work on ``stage`` now."""
        return self._holders.setdefault(stage, trial) == trial

    def release(self, trial: str) -> None:
        """Give back all claims of a trial."""
        self._holders = {s: t for s, t in self._holders.items() if t != trial}


def start_claims() -> Any:
    """The actor that all trials of a Tune run ask; it needs no processor."""
    return ray.remote(num_cpus=0)(Claims).remote()


@contextmanager
def hold(claims: Any, stage: str, trial: str) -> Iterator[None]:
    """Wait until no other trial works on a stage."""
    while not ray.get(claims.claim.remote(stage, trial)):
        time.sleep(0.2)
    try:
        yield
    finally:
        ray.get(claims.release.remote(trial))
