"""Where an unfinished training leaves its state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch


class Snapshots(Protocol):
    """Where an unfinished training leaves its state: after each epoch, and before its end."""

    def latest(self) -> Path | None:
        """A folder that ``save`` filled earlier, or None."""

    def save(self, write: Callable[[Path], None]) -> None:
        """Keep what ``write`` puts into a folder, in place of the last snapshot."""


def random_states(device: torch.device) -> list[torch.Tensor]:
    """The states of the random generators that dropout draws from."""
    states = [torch.get_rng_state()]
    return states + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


def set_random_states(states: list[torch.Tensor], device: torch.device) -> None:
    """Go on drawing where ``random_states`` was called."""
    torch.set_rng_state(states[0].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1].cpu(), device)
