"""What is to be written to MLflow: at once while it answers, later while it does not."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from doge_ray.engine.tracking.server import is_refused
from doge_ray.redact import redacted

PAUSE = 30.0
"""Seconds between two tries while MLflow is away; each may take as long as its client waits."""

LAST_WAIT = 300.0
"""Seconds that a finished sweep waits for MLflow."""


@dataclass
class Outbox:
    """Writes in the order in which they were put in; while MLflow is away, none is lost.

    One that MLflow refuses is told of and dropped, so that it does not keep back all others.

    Args:
        line: shows a person an event.
    """

    line: Callable[[str], None]
    _waiting: deque[Callable[[], None]] = field(default_factory=deque)
    _next: float = 0.0
    _is_away: bool = False

    def put(self, write: Callable[[], None]) -> None:
        """Write now, or once MLflow answers again."""
        self._waiting.append(write)
        if time.monotonic() >= self._next:
            self.flush()

    def flush(self) -> bool:
        """Write what waits; whether all of it is written."""
        while self._waiting:
            try:
                self._waiting[0]()
            except Exception as error:  # whatever is wrong, tracking must not end a sweep
                if not is_refused(error):
                    self._put_off(error)
                    return False
                self.line(f"not in MLflow: {_reason(error)}")
            self._waiting.popleft()
        if self._is_away:
            self.line("MLflow answers again; everything is written")
        self._is_away, self._next = False, 0.0
        return True

    def finish(self, patience: float = LAST_WAIT) -> int:
        """Wait for MLflow, as long as patience lasts; returns how many writes are left."""
        deadline = time.monotonic() + patience
        while not self.flush() and time.monotonic() < deadline:
            time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))
        return len(self._waiting)

    def _put_off(self, error: Exception) -> None:
        self._next = time.monotonic() + PAUSE
        if not self._is_away:
            self.line(f"MLflow does not answer; it is told later: {_reason(error)}")
        self._is_away = True


def _reason(error: Exception) -> str:
    first = str(error).strip().partition("\n")[0]
    return redacted(f"{type(error).__name__}: {first}")
