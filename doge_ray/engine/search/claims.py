"""What the trials of a sweep must know of each other, of their own earlier attempts, of machines.

One trial at a time works on a stage: trials with identical tickets wait for the first. A claim is
held by a trial's name, and the driver gives back the claims of every trial that ends, however it
ended; so a killed trial blocks nobody.

Failures by a trial's own fault are counted apart from lost processes and nodes, which are not.
Those by a device are counted for the device too: where several trials in a row end so, it is the
device, not the trials.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

SEVERAL = 2
"""Trials that fail by a device, one after the other, before it is held to be broken."""


@dataclass(frozen=True)
class Device:
    """What a process computes on: Ray's node, and the GPUs of it that the process was given."""

    node: str
    gpus: tuple[str, ...] = ()

    @classmethod
    def own(cls) -> Self:
        """That of this process."""
        context = ray.get_runtime_context()
        return cls(context.get_node_id(), tuple(context.get_accelerator_ids().get("GPU", ())))

    def __str__(self) -> str:
        gpus = f"GPU {', '.join(self.gpus)} of " if self.gpus else ""
        return f"{gpus}node {self.node[:8]}"


class Claims:
    """Which trial works on which stage, how often each has failed, and by which devices."""

    def __init__(self) -> None:
        self._failed_by: dict[Device, dict[str, str]] = {}
        self._at_fault: set[str] = set()
        self._unfit: dict[str, str] = {}
        self._holders: dict[str, str] = {}
        self._failures: Counter[str] = Counter()
        self._given_up: dict[str, str] = {}

    def claim(self, stage: str, trial: str) -> bool:
        """Whether ``trial`` may work on ``stage`` now."""
        return self._holders.setdefault(stage, trial) == trial

    def release(self, trial: str) -> None:
        """Give back all claims of a trial."""
        self._holders = {s: t for s, t in self._holders.items() if t != trial}

    def failed(self, trial: str) -> int:
        """Note a failure; returns how many there were."""
        self._failures[trial] += 1
        return self._failures[trial]

    def give_up(self, trial: str, error: str) -> None:
        """Note that a trial has failed for good, in a process that says so no more."""
        self._given_up[trial] = error

    def given_up(self, trial: str) -> str | None:
        """The error with which a trial has failed for good."""
        return self._given_up.get(trial)

    def works(self, device: Device) -> None:
        """Note that a device has got through an epoch of a trial."""
        self._failed_by.pop(device, None)

    def failed_by(self, device: Device, trial: str, error: str) -> None:
        """Note that a device failed under a trial; where others did so too, it is the trial."""
        others = [failed for other, failed in self._failed_by.items() if other != device]
        if any(trial in failed for failed in others):
            self._at_fault.add(trial)
            for failed in self._failed_by.values():
                failed.pop(trial, None)
        if trial in self._at_fault:
            return
        failed = self._failed_by.setdefault(device, {})
        failed[trial] = error
        if len(failed) >= SEVERAL:
            self._unfit[device.node] = f"{len(failed)} trials in a row failed by {device}: {error}"

    def is_unfit(self, node: str, why: str) -> None:
        """Note that no trial can be run on a node."""
        self._unfit[node] = why

    def unfit(self) -> dict[str, str]:
        """The nodes that trials are to be kept from, and why."""
        return self._unfit


def start_claims() -> Any:
    """The actor that all trials of a sweep ask; it needs no processor.

    It lives on the driver's node: a worker's may vanish. If its process dies, a new one knows of no
    claim; then two trials may do the same work, and one result stays.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    place = {"num_cpus": 0, "scheduling_strategy": here}
    return ray.remote(**place, max_restarts=-1, max_task_retries=-1)(Claims).remote()


@contextmanager
def hold(claims: Any, stage: str, trial: str) -> Iterator[None]:
    """Wait until no other trial works on a stage."""
    while not ray.get(claims.claim.remote(stage, trial)):
        time.sleep(0.2)
    try:
        yield
    finally:
        ray.get(claims.release.remote(trial))
