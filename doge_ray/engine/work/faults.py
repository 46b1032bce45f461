"""What to make of a failure: try again, and does it count?

A process, a node or the memory of a machine that is lost is nobody's fault: the work goes on from
its last snapshot, without counting against ``search.max_failures``. An error that the code raised
counts. A loss that is not finite would not be another the next time.
"""

from __future__ import annotations

from collections.abc import Collection

import torch
from ray.exceptions import RayError, RayTaskError
from ray.train import ControllerError, TrainingFailedError, WorkerGroupError

from doge_ray.engine.cluster.ray_private import is_startup_timeout
from doge_ray.engine.work.fitness import UnfitMachineError
from doge_ray.stages.memory import is_out_of_memory

# Losses of one trial, or of one group of workers, beyond which it is no bad luck any more.
LOSSES = 32


_SAID_OF_DEVICES = ("CUDA error", "CUDA driver error", "HIP error", "NCCL error", "cuDNN error")


class SmallerBatchError(Exception):
    """A group of workers has to begin again, with less in memory at once."""


def is_hopeless(error: BaseException) -> bool:
    """Whether a new attempt would end the same way; of a group, on the same machines."""
    return isinstance(error, FloatingPointError | UnfitMachineError)


def is_of_accelerator(error: BaseException) -> bool:
    """Whether a device failed under a process, which then can do nothing more with it."""
    if is_out_of_memory(error):
        return False
    said = any(text in str(error) for text in _SAID_OF_DEVICES)
    known = isinstance(error, torch.AcceleratorError)
    return known or (isinstance(error, RuntimeError) and said)


def is_of_device(error: BaseException) -> bool:
    """Whether it may be the device that is broken, not what the code asked of it."""
    return is_of_accelerator(error) and "device-side assert" not in str(error)


def unfit_machine(error: BaseException) -> UnfitMachineError | None:
    """What a process said of its machine, if that is why it, or its group, ended."""
    return next((each for each in causes(error) if isinstance(each, UnfitMachineError)), None)


def is_loss(error: BaseException) -> bool:
    """Whether a failure is that of a process, a node or a connection, not of the code."""
    if isinstance(error, WorkerGroupError):
        return _is_loss_of_group(error.worker_failures.values())
    if isinstance(error, ControllerError) and isinstance(error.controller_failure, RayTaskError):
        return is_loss(_cause(error.controller_failure))  # as of a group that finds no GPU
    if isinstance(error, SmallerBatchError | TrainingFailedError):
        return True
    # Workers that fail their health check, or do not come up, are Ray's own kinds of error.
    return isinstance(error, RayError) or type(error).__module__.startswith("ray.")


def is_shortage(error: BaseException) -> bool:
    """Whether a group of workers only waited in vain for machines, such as spots sold out."""
    failure = error.controller_failure if isinstance(error, ControllerError) else error
    return is_startup_timeout(failure)


def causes(error: BaseException) -> list[BaseException]:
    """What a group's failure consists of: the workers' own errors, if there are any."""
    if isinstance(error, ControllerError):
        return [_cause(error.controller_failure)]
    failures = error.worker_failures.values() if isinstance(error, WorkerGroupError) else [error]
    own = [each for each in failures if not is_loss(each) and not _lost_its_peer(each)]
    return own or list(filter(_waited_in_vain, failures)) or list(failures)


def describe(error: BaseException) -> str:
    """One line: the kind of error and its message."""
    cause, *_ = causes(error)
    lines = str(cause).strip().splitlines() or [""]
    told = f"{type(cause).__name__}: {lines[0]}"
    failures = error.worker_failures if isinstance(error, WorkerGroupError) else {}
    ranks = [str(rank) for rank, each in failures.items() if _waited_in_vain(each)]
    if ranks and _waited_in_vain(cause):
        return f"process {', '.join(ranks)} waited in vain for the others of its group: {told}"
    return told


def is_memory_kill(text: str) -> bool:
    """Whether Ray says that it killed a process because its node ran out of memory."""
    return "running low on memory" in text


def _is_loss_of_group(failures: Collection[BaseException]) -> bool:
    """When one worker goes, those that wait for it fail too: with errors of their connections.

    Where all are there and some waited in vain, they would do so again.
    """
    if any(map(is_loss, failures)):
        return True
    return all(map(_lost_its_peer, failures)) and not any(map(_waited_in_vain, failures))


def _waited_in_vain(error: BaseException) -> bool:
    """Whether an exchange between processes ended by its time limit."""
    return _lost_its_peer(error) and "timed out waiting" in str(error).lower()


def _cause(error: BaseException) -> BaseException:
    """What was raised, where Ray tells that something was raised elsewhere."""
    return error.cause if isinstance(error, RayTaskError) else error


def _lost_its_peer(error: BaseException) -> bool:
    return isinstance(error, torch.distributed.DistError) or "gloo/transport" in str(error)
