"""What a rehearsal prints: steps with their times, what was found, and a verdict at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_BEGAN = time.monotonic()


@contextmanager
def step(title: str) -> Iterator[None]:
    """A step of the rehearsal; prints when it began and how long it took."""
    began = time.monotonic()
    print(f"[{began - _BEGAN:6.1f} s] {title}", flush=True)
    yield
    print(f"           ... {time.monotonic() - began:.1f} s", flush=True)


def found(fact: str) -> None:
    """Print something that was seen."""
    print("".join(f"           {line}\n" for line in fact.splitlines()), end="", flush=True)


def check(claim: str, holds: bool, seen: object = "") -> None:
    """Print a claim that holds, or end the rehearsal.

    Raises:
        AssertionError: it does not hold; says what was seen instead.
    """
    if not holds:
        raise AssertionError(f"{claim}: no, but {seen!r}")
    print(f"         + {claim}", flush=True)


def wait_for(claim: str, holds: Callable[[], object], seconds: float = 60) -> None:
    """Check a claim that becomes true with time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise AssertionError(f"{claim}: not within {seconds:.0f} s")
        time.sleep(0.5)
    check(claim, True)


def verdict(text: str) -> None:
    """The last line of a rehearsal that went well."""
    print(f"[{time.monotonic() - _BEGAN:6.1f} s] PASSED: {text}")
