"""What the tasks of a sweep must know of their own earlier attempts, and of machines.

Failures by a task's own fault are counted apart from lost processes and nodes, which are not.
Those by a device are counted for the device too: where several tasks in a row end so, it is the
device, not the tasks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Self

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

SEVERAL = 2
"""Tasks that fail by a device, one after the other, before it is held to be broken."""


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


class Failures:
    """How often each task has failed, and by which devices."""

    def __init__(self) -> None:
        self._failed_by: dict[Device, dict[str, str]] = {}
        self._at_fault: set[str] = set()
        self._unfit: dict[str, str] = {}
        self._failures: Counter[str] = Counter()
        self._given_up: dict[str, str] = {}

    def failed(self, task: str) -> int:
        """Note a failure; returns how many there were."""
        self._failures[task] += 1
        return self._failures[task]

    def give_up(self, task: str, error: str) -> None:
        """Note that a task has failed for good, in a process that says so no more."""
        self._given_up[task] = error

    def given_up(self, task: str) -> str | None:
        """The error with which a task has failed for good."""
        return self._given_up.get(task)

    def works(self, device: Device) -> None:
        """Note that a device has got through an epoch of a trial, or a task."""
        self._failed_by.pop(device, None)

    def failed_by(self, device: Device, task: str, error: str) -> None:
        """Note that a device failed under a task; where others did so too, it is the task."""
        others = [failed for other, failed in self._failed_by.items() if other != device]
        if any(task in failed for failed in others):
            self._at_fault.add(task)
            for failed in self._failed_by.values():
                failed.pop(task, None)
        if task in self._at_fault:
            return
        failed = self._failed_by.setdefault(device, {})
        failed[task] = error
        if len(failed) >= SEVERAL:
            self._unfit[device.node] = f"{len(failed)} trials in a row failed by {device}: {error}"

    def is_unfit(self, node: str, why: str) -> None:
        """Note that no task can be run on a node."""
        self._unfit[node] = why

    def unfit(self) -> dict[str, str]:
        """The nodes that tasks are to be kept from, and why."""
        return self._unfit


def start_failures() -> Any:
    """The actor that all tasks of a sweep tell; it needs no processor.

    It lives on the driver's node: a worker's may vanish. If its process dies, a new one knows of no
    failure, and tasks are tried again as if they had not failed yet.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    place = {"num_cpus": 0, "scheduling_strategy": here}
    return ray.remote(**place, max_restarts=-1, max_task_retries=-1)(Failures).remote()
