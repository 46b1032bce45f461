"""Patience with a storage that refuses for a while: a full disk, a restarted server, a busy bucket.

What it refuses is tried again, with growing pauses. An answer, such as that there is no such file,
is no refusal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential,
)

from doge_ray.errors import SweepError

LONGEST_PAUSE = 15.0
"""Seconds: when the storage is well again, the sweep soon goes on."""

_ANSWERS = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
_LOG = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Place(Protocol):
    """A storage by name, and for how many seconds its refusals are borne."""

    root: str
    patience: float


S = TypeVar("S", bound=Place)


def patient(operation: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let an operation of a storage be tried again as long as its patience lasts.

    The first refusal is a warning, the last a ``SweepError``. The operation must leave nothing of
    a failed attempt behind.
    """

    @wraps(operation)
    def tried(place: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        attempts = Retrying(
            retry=retry_if_exception(is_refusal),
            wait=wait_exponential(max=LONGEST_PAUSE),
            stop=stop_after_delay(place.patience),
            before_sleep=lambda state: _warn(place, state),
            retry_error_callback=lambda state: _give_up(place.root, state),
        )
        return attempts(operation, place, *args, **kwargs)

    return tried


def is_refusal(error: BaseException) -> bool:
    """Whether the storage, or the way to it, is to blame, and may be well again soon."""
    return isinstance(error, OSError) and not isinstance(error, _ANSWERS)


def _warn(place: Place, state: RetryCallState) -> None:
    if state.attempt_number == 1:
        _LOG.warning(
            "the storage %s refuses: %s; it is tried again for %g s",
            place.root,
            _reason(state),
            place.patience,
        )


def _give_up(root: str, state: RetryCallState) -> Any:
    raise SweepError(
        f"the storage {root} has refused for {state.seconds_since_start or 0:.0f} s: "
        f"{_reason(state)}; nothing published is lost, and the same command goes on"
    ) from (state.outcome.exception() if state.outcome else None)


def _reason(state: RetryCallState) -> str:
    return str(state.outcome.exception()) if state.outcome else ""
