"""A sweep's schedule against a clock, without the work."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from doge_ray.engine.schedule.schedule import Cost, Schedule
from doge_ray.engine.schedule.steps import Step, Steps


@dataclass(frozen=True)
class Simulated:
    """What a simulation found.

    - ``seconds`` from the first step's begin to the last one's end.
    - ``device_seconds`` that devices worked.
    - ``devices``: how many there were.
    """

    seconds: float
    device_seconds: float
    devices: int

    @property
    def busy(self) -> float:
        """The share of the devices' time in which they worked."""
        return self.device_seconds / (self.seconds * self.devices) if self.seconds else 0.0


def simulate(
    steps: Steps,
    cost: Cost,
    seconds: Cost,
    devices: int,
    width: Callable[[Step], int] = lambda step: 1,
) -> Simulated:
    """Let every step take its time.

    Args:
        steps: of a sweep.
        cost: by which they are put in order.
        seconds: that a step takes on its devices.
        devices: at hand.
        width: devices that a step spans; one that spans more than there are takes them all.
    """
    schedule, clock, worked, free = Schedule(steps, cost), 0.0, 0.0, devices
    running: list[tuple[float, int, Step]] = []
    order = count()
    while not schedule.is_over:
        while (step := schedule.first()) is not None:
            wide = min(devices, width(step)) if step.needs_room else 0
            if wide > free:
                break
            schedule.begin()
            if not seconds(step):
                schedule.end(step)
                continue
            free, worked = free - wide, worked + wide * seconds(step)
            heapq.heappush(running, (clock + seconds(step), next(order), step))
        if running:
            clock, _, step = heapq.heappop(running)
            free += min(devices, width(step))
            schedule.end(step)
    return Simulated(clock, worked, devices)
