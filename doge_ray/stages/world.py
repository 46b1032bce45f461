"""This process among those that share one training or scoring pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist


def _stays() -> bool:
    return False


@dataclass(frozen=True)
class World:
    """Rank and size of the process group, and the device this process computes on.

    ``has_notice`` says whether this process's machine is about to be taken away.
    """

    rank: int
    size: int
    device: torch.device
    has_notice: Callable[[], bool] = _stays

    @classmethod
    def current(cls, device: torch.device, has_notice: Callable[[], bool] = _stays) -> World:
        """The running process group, or this process alone."""
        if dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size(), device, has_notice)
        return cls(0, 1, device, has_notice)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Element-wise sum over all processes."""
        if self.size > 1:
            tensor = tensor.to(self.device)
            dist.all_reduce(tensor)
        return tensor

    def mean(self, values: Sequence[float]) -> list[float]:
        """Each value's mean over all processes, the same in every one; they wait for each other."""
        if self.size == 1:
            return [float(value) for value in values]
        summed = self.sum(torch.tensor(values, dtype=torch.float64))
        return [total / self.size for total in summed.tolist()]

    def gather(self, value: Any) -> list[Any]:
        """The value of every process, in rank order."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def broadcast(self, value: Any) -> Any:
        """The value of rank 0."""
        return self.gather(value if self.rank == 0 else None)[0]
