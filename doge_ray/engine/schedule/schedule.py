"""Which step of a sweep runs next: of those that are ready, the one with the longest way to go."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from graphlib import TopologicalSorter

from doge_ray.engine.schedule.steps import Step, Steps

Cost = Callable[[Step], float]
"""How long a step takes, in any unit; what is no work takes nothing."""


@dataclass(frozen=True)
class Effort:
    """How long steps take, in passes over the source domains: by this they are put in order.

    - ``epochs`` of a training at most.
    - ``folds``: trainings of each trial of a search beside its own.
    """

    epochs: int
    folds: int = 0

    def __call__(self, step: Step) -> float:
        """Passes of a step."""
        if step.kind == "search":
            return self.epochs * (1 + self.folds)
        return {"repeat": self.epochs, "scoring": 1, "activations": 1 / 3}.get(step.kind, 0)


class Schedule:
    """The steps that are ready, in order; a step that has ended makes others ready.

    Of steps with equally long ways the shortest comes first, as others wait for it; of equal ones
    the first of ``steps``, so that what a study draws comes by number.
    """

    def __init__(self, steps: Steps, cost: Cost) -> None:
        self._sorter = TopologicalSorter(steps)
        self._sorter.prepare()
        ways = longest_ways(steps, cost)
        self._order = {step: (-ways[step], cost(step), number) for number, step in enumerate(steps)}
        self._ready: list[tuple[tuple[float, float, int], Step]] = []
        self._queue()

    @property
    def is_over(self) -> bool:
        """Whether every step has ended."""
        return not self._sorter.is_active()

    def first(self) -> Step | None:
        """The step that is to be begun before all others; None while there is none."""
        return self._ready[0][1] if self._ready else None

    def begin(self) -> Step:
        """Take the first step; it is the caller's until it ends."""
        return heapq.heappop(self._ready)[1]

    def end(self, step: Step) -> None:
        """A step has ended, well or not: what comes after it finds out."""
        self._sorter.done(step)
        self._queue()

    def _queue(self) -> None:
        for step in self._sorter.get_ready():
            heapq.heappush(self._ready, (self._order[step], step))


def longest_ways(steps: Steps, cost: Cost) -> dict[Step, float]:
    """How long it takes from the begin of each step to the end of all that waits for it."""
    after: dict[Step, float] = dict.fromkeys(steps, 0.0)
    order = [*TopologicalSorter(steps).static_order()]
    ways = {}
    for step in reversed(order):
        ways[step] = cost(step) + after[step]
        for before in steps[step]:
            after[before] = max(after[before], ways[step])
    return ways
