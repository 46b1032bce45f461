"""How long a device takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch


def wait(device: torch.device) -> None:
    """For all that the device was told to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Until the device is done."""
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def usual(work: Callable[[], object], device: torch.device, times: int, warm_up: int = 2) -> float:
    """The median of several times, after some that make what lasts."""
    for _ in range(warm_up):
        work()
    return statistics.median(seconds(work, device) for _ in range(times))
