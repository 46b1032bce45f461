"""What a person sees of a sweep: a live bar with an ETA, or a line per event off a terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from doge_ray.terminal import styled
from doge_ray.tickets.ties import decimal


class SweepProgress:
    """Trials done of all trials, with every event as a line above."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.started = time.monotonic()
        self.total = self.done = self.found = 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None)

    @contextmanager
    def live(self, total: int) -> Iterator[None]:
        """Show the bar while a sweep of ``total`` trials runs."""
        self.total, self.started = total, time.monotonic()
        self._bar.update(self._task, total=total)
        with self._bar:
            yield

    def at_work(self, number: int) -> None:
        """How many processes work now."""
        self._bar.update(self._task, description=f"{number} at work")

    def line(self, *parts: str | tuple[str, str]) -> None:
        """One event, told in parts; a part may come with its style."""
        elapsed = int(time.monotonic() - self.started)
        clock = f"{elapsed // 60:3d}:{elapsed % 60:02d}", "dim"
        self.console.print(styled(clock, "  ", *parts))

    def epoch(self, name: str, record: dict[str, Any], most: int) -> None:
        """A trial finished an epoch."""
        self.line(
            f"{name}  epoch {record['epoch']}/{most}  loss {record['loss']:.3f}  "
            f"source dev {decimal(record['epoch_dev_metric']):.1%}  {record['seconds']:.0f} s"
        )

    def trials_found(self, number: int) -> None:
        """Trials that an earlier run finished: done, but no measure of how long the rest takes."""
        self.done += number
        self.found += number
        self._bar.update(self._task, completed=self.done)

    def trial_failed(self, name: str, error: str) -> None:
        """A trial ended with an error."""
        self.trial_ended(name, ("failed", "red"), f": {error}")

    def trial_ended(self, name: str, *parts: str | tuple[str, str]) -> None:
        """A trial ended; say how, as ``line`` does, and how long the rest may take."""
        self.done += 1
        self._bar.update(self._task, completed=self.done)
        elapsed = time.monotonic() - self.started
        left = elapsed / (self.done - self.found) * max(0, self.total - self.done)
        rest = f"  [{self.done}/{self.total}, {_time(left)} left]"
        self.line(f"{name}  ", *parts, "" if self._bar.live.is_started else rest)


def _time(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"
