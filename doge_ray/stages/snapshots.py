"""Where an unfinished training leaves its state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch

from doge_ray.stages.memory import is_out_of_memory
from doge_ray.stages.world import World

State = dict[str, Any]
_FILE = "state.pt"
_WRITERS = ("PytorchStreamWriter", "inline_container")
"""What torch's errors of a full disk name."""
_LOG = logging.getLogger(__name__)


class Snapshots(Protocol):
    """Where an unfinished training leaves its state: after each epoch, and before its end."""

    def latest(self) -> Path | None:
        """A folder that ``save`` filled earlier, or None."""

    def save(self, write: Callable[[Path], None]) -> None:
        """Keep what ``write`` puts into a folder, in place of the last snapshot."""


def write_state(state: State, folder: Path) -> None:
    """Put a training's state into a folder.

    Raises:
        OSError: its disk is full, for instance.
    """
    try:
        torch.save(state, folder / _FILE)
    except RuntimeError as error:
        if not any(writer in str(error) for writer in _WRITERS):
            raise  # of the device that the state comes from
        raise OSError(f"{folder / _FILE} cannot be written: {error}") from error


def read_state(folder: Path | None, world: World) -> State | None:
    """What ``write_state`` put into a folder; None where any process finds it damaged.

    A training whose snapshot is damaged begins anew, or no attempt would ever get beyond it.
    """
    state = None if folder is None else _read(folder / _FILE, world.device)
    return None if any(world.gather(state is None)) else state


def _read(file: Path, device: torch.device) -> State | None:
    try:
        state: State = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # torch has as many of them as there are kinds of damage
        if isinstance(error, OSError) or is_out_of_memory(error):
            raise
        _LOG.warning("the snapshot %s is damaged (%s); its training begins anew", file, error)
        return None
    return state


def random_states(device: torch.device) -> list[torch.Tensor]:
    """The states of the random generators that dropout draws from."""
    states = [torch.get_rng_state()]
    return states + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


def set_random_states(states: list[torch.Tensor], device: torch.device) -> None:
    """Go on drawing where ``random_states`` was called."""
    torch.set_rng_state(states[0].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1].cpu(), device)
