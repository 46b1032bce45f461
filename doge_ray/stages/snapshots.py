"""Where an unfinished training leaves its state."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import torch
from torch.utils._pytree import tree_map_only

from doge_ray.stages.memory import is_out_of_memory
from doge_ray.stages.world import World

State = dict[str, Any]
_FILE = "state.pt"
_WRITERS = ("PytorchStreamWriter", "inline_container")
"""What torch's errors of a full disk name."""
_LOG = logging.getLogger(__name__)


class Snapshots(Protocol):
    """Where an unfinished training leaves its state."""

    def latest(self) -> Path | None:
        """A folder that ``save`` filled earlier, or None."""

    def save(self, write: Callable[[Path], None]) -> None:
        """Keep what ``write`` puts into a folder, in place of the last snapshot."""


class _Nowhere:
    def latest(self) -> None:
        return None

    def save(self, write: Callable[[Path], None]) -> None:
        pass


NOWHERE: Snapshots = _Nowhere()
"""Keeps nothing."""


class Writer:
    """Writes snapshots beside the training that goes on, one at a time."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    @property
    def is_writing(self) -> bool:
        """Whether the last one is not written yet."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, state: State) -> None:
        """Begin to write a state that nobody changes; first the last one is written to its end.

        Raises:
            Exception: the last one could not be written.
        """
        self.finish()
        self._thread = Thread(target=self._write, args=(state,), name="snapshot")
        self._thread.start()

    def finish(self) -> None:
        """Wait for the last one.

        Raises:
            Exception: it could not be written.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self, state: State) -> None:
        try:
            self._snapshots.save(lambda folder: write_state(state, folder))
        except BaseException as error:  # for who waits for it, in the thread of the training
            self._error = error


def on_host(state: Any) -> Any:
    """A copy of a state, in which no tensor changes any more, in the host's memory."""
    return tree_map_only(torch.Tensor, lambda tensor: tensor.detach().to("cpu", copy=True), state)


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
