"""When a training leaves a snapshot: what it costs and what a kill may cost, agreed by all.

All processes of a training take part in a snapshot, so they must decide on it together; asking
each other waits for all that their devices were told, so they ask every few seconds, not steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from doge_ray.stages.world import World

SHARE = 0.01
"""What snapshots may take of the time of a training."""
ASKED = 2.0
"""Seconds between two times that processes ask each other; spot machines give 30 and more."""


class Watch:
    """Says when a snapshot is due, the same to all processes.

    Args:
        world: the processes; one may have notice that its machine goes.
        seconds: of training that a kill costs at most, where ``SHARE`` allows it.
        is_writing: whether the last snapshot is still being written.
    """

    def __init__(self, world: World, seconds: float, is_writing: Callable[[], bool]) -> None:
        self._world, self._seconds, self._is_writing = world, seconds, is_writing
        self._saved = self._asked = time.monotonic()
        self._cost = 0.0
        self._steps, self._every = 0, 1
        self._noticed = False

    def is_due_in_an_epoch(self) -> bool:
        """Asked after each step: whether notice came just now, or the last one is too old."""
        self._steps += 1
        if self._steps < self._every:
            return False
        has_notice, is_writing, age, cost = self._agreed()
        if self._is_news(has_notice):
            return True
        return not is_writing and age >= max(self._seconds, cost / SHARE)

    def is_due_after_an_epoch(self) -> bool:
        """Whether one is cheap enough by now: at the end of an epoch it saves most.

        Where a machine is about to go, none is too dear.
        """
        has_notice, is_writing, age, cost = self._agreed()
        if self._is_news(has_notice):
            return True
        return not is_writing and (has_notice or age >= cost / SHARE)

    def saved(self, seconds: float) -> None:
        """Note a snapshot, and how long the training stood still for it."""
        self._cost, self._saved = seconds, time.monotonic()

    def _is_news(self, has_notice: bool) -> bool:
        """Whether notice came just now."""
        is_first = has_notice and not self._noticed
        self._noticed |= has_notice
        return is_first

    def _agreed(self) -> tuple[bool, bool, float, float]:
        """Whether any process has notice, or writes; age and cost of the last snapshot, in mean."""
        now = time.monotonic()
        own = [self._world.has_notice(), self._is_writing(), now - self._saved, self._cost]
        has_notice, is_writing, age, cost, since = self._world.mean([*own, now - self._asked])
        if self._world.size > 1 and self._steps:
            steps = round(self._steps * ASKED / max(since, 1e-3))
            self._every = max(1, min(2 * self._every, steps))
        self._steps, self._asked = 0, now
        return has_notice > 0, is_writing > 0, age, cost
