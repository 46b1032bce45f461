"""The device that a process computes on, and whether it can."""

from __future__ import annotations

import ray
import torch

from doge_ray.config.schema import ResourceConfig
from doge_ray.engine.work.fitness import UnfitMachineError


def own_device(resources: ResourceConfig) -> torch.device:
    """The device of a process that computes by itself: Ray shows it the GPU it was given.

    Raises:
        UnfitMachineError: that cannot be used.
    """
    share = resources.gpus_per_worker
    use_gpu = share != 0 and torch.cuda.is_available()
    device = require_usable(torch.device("cuda" if use_gpu else "cpu"))
    if use_gpu and share is not None and share < 1:
        # What torch keeps for later would else be missed by the others on this GPU.
        torch.cuda.set_per_process_memory_fraction(share)
    return device


def require_usable(device: torch.device) -> torch.device:
    """Refuse to compute on a processor in silence where a GPU was given for it.

    Args:
        device: what this process would compute on; its own, of those that Ray shows to a group.

    Raises:
        UnfitMachineError: names the GPU and the reason.
        RuntimeError: something else uses the GPU for now.
    """
    if not ray.is_initialized():  # or asking for the context would start it
        return device
    context = ray.get_runtime_context()
    given = context.get_accelerator_ids().get("GPU", [])
    fault = gpu_fault("cuda" if device.type == "cpu" else str(device)) if given else None
    if fault is None:
        return device
    node = context.get_node_id()
    told = (
        f"GPU {', '.join(given)} of node {node[:8]}, which Ray gave to this process, cannot be "
        f"used: {fault}"
    )
    if is_busy(fault):
        raise RuntimeError(f"{told}; look at nvidia-smi there for what else uses it")
    raise UnfitMachineError(
        f"{told}; look at nvidia-smi and torch.version.cuda there, start Ray there with "
        "--num-gpus 0, or set resources.gpus_per_worker=0",
        node,
    )


def is_busy(fault: str) -> bool:
    """Whether a GPU is only full, or held by another process, and may be free later."""
    return any(word in fault.lower() for word in ("out of memory", "alloc_failed", "busy"))


def gpu_fault(*devices: str) -> str | None:
    """Why this process cannot put a tensor on a device; None where it can, on each."""
    try:
        for device in devices:
            torch.zeros(1, device=device).item()
    except Exception as error:  # of a driver, the kinds of error are many
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return None
