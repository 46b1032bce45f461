"""What a node says of itself, for the doctor. Runs on every node, so it imports little."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass

from doge_ray.domains.cache import cache_folder
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.work.fitness import versions
from doge_ray.errors import InputError, SweepError


@dataclass(frozen=True)
class Facts:
    """What a node says of itself, by its own clock.

    ``read`` is what it found where the driver had written, ``refused`` the storage's error where
    there was one; ``gpu_fault`` is why no tensor can be put on a GPU that there is, which may only
    be busy. Times are in
    seconds, ``free`` in bytes by folder.
    """

    versions: dict[str, str]
    gpus: int
    read: str | None
    refused: str | None
    free: dict[str, int]
    begun: float
    ended: float
    gpu_fault: str | None = None
    gpu_is_busy: bool = False


def gather(storage: str, driver: str, node: str) -> Facts:
    """The facts of this node; copies a file of the storage, the driver's, to another, the node's.

    Raises:
        ImportError: torch cannot be loaded here.
    """
    begun = time.time()
    import torch

    from doge_ray.engine.work.devices import gpu_fault, is_busy

    read, refused = _copy(storage, driver, node)
    # The count comes from the driver's own list, which is there also where nothing can start.
    gpus = torch.cuda.device_count()
    fault = gpu_fault(*(f"cuda:{number}" for number in range(gpus)))
    busy = fault is not None and is_busy(fault)
    return Facts(versions(), gpus, read, refused, _free(), begun, time.time(), fault, busy)


def _copy(root: str, source: str, target: str) -> tuple[str | None, str | None]:
    """What was read, and the error that kept it from being read or written."""
    try:
        storage = Storage(root)
        storage.patience = 0.0  # a sweep waits for a storage, a doctor names what is wrong with it
        read = storage.read_text(source)
        if read is not None:
            storage.write_text(target, read)
    except SweepError as error:
        return None, str(error.__cause__)
    except (OSError, ValueError, InputError) as error:
        return None, str(error)
    return read, None


def _free() -> dict[str, int]:
    """Free bytes where temporary files and copies from the storage lie, by folder."""
    cache = next(folder for folder in (cache_folder(), *cache_folder().parents) if folder.exists())
    folders = {tempfile.gettempdir(), str(cache)}
    return {folder: shutil.disk_usage(folder).free for folder in folders}
