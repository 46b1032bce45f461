"""Which failures count, which are tried again, and what is said of them."""

from __future__ import annotations

import pytest
import torch
from ray.exceptions import ActorDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError

from doge_ray.engine.work.faults import (
    SmallerBatchError,
    describe,
    is_hopeless,
    is_loss,
    is_memory_kill,
    is_shortage,
)
from doge_ray.engine.work.workers import failure_of_one

BUG = ValueError("label 7 is not among the classes\nmore")
PEER = RuntimeError("[../gloo/transport/tcp/pair.cc:538] Connection closed by peer [10.0.0.2]")
LATE = RuntimeError(
    "[../gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation"
)
DIED = ActorDiedError()


def group(*errors: Exception) -> WorkerGroupError:
    return WorkerGroupError("workers failed", dict(enumerate(errors)))


@pytest.mark.parametrize(
    "error",
    [
        DIED,
        OutOfMemoryError("1 worker(s) were killed due to the node running low on memory."),
        ControllerError(TimeoutError("no workers came up")),
        SmallerBatchError(),
        group(DIED),
        group(DIED, PEER, PEER),
        group(DIED, LATE),
        group(PEER, torch.distributed.DistNetworkError("reset")),
        group(BUG, DIED),  # what failed beside a lost worker may have failed because of it
        group(SmallerBatchError(), PEER),
    ],
)
def test_what_was_lost_does_not_count(error: Exception) -> None:
    assert is_loss(error)


@pytest.mark.parametrize(
    "error",
    [
        BUG,
        FloatingPointError("nan"),
        OSError(28, "full"),
        group(BUG),
        group(PEER, BUG),
        group(LATE, LATE),
        group(PEER, LATE),  # who gives up first closes its connections
    ],
)
def test_what_the_code_raised_counts(error: Exception) -> None:
    assert not is_loss(error)


def test_one_process_ends_as_a_group_of_one_would() -> None:
    """Ray wraps what a process raised into an error that is one of its own kinds too."""
    raised = failure_of_one(RayTaskError("work", "the traceback", BUG).as_instanceof_cause())
    assert not is_loss(raised)
    assert describe(raised) == describe(BUG)
    died, killed = (
        failure_of_one(error)
        for error in (WorkerCrashedError(), OutOfMemoryError("its node was running low on memory"))
    )
    assert is_loss(died)
    assert is_loss(killed)
    assert is_memory_kill(str(killed))


def test_only_a_loss_that_is_not_finite_is_hopeless() -> None:
    assert is_hopeless(FloatingPointError("the loss became nan in epoch 1"))
    assert not is_hopeless(BUG)


def test_a_group_is_described_by_the_error_that_ended_it() -> None:
    expected = "ValueError: label 7 is not among the classes"
    assert describe(BUG) == describe(group(PEER, BUG)) == expected


def test_a_group_that_waited_in_vain_names_the_processes_that_did() -> None:
    assert describe(group(PEER, LATE, LATE)).startswith("process 1, 2 waited in vain for the other")
    assert describe(group(LATE, BUG)) == describe(BUG)


def test_a_group_that_never_came_up_is_described_by_what_it_lacked() -> None:
    assert describe(ControllerError(TimeoutError("no room"))) == "TimeoutError: no room"


def test_only_a_group_that_waits_for_machines_waits_without_end() -> None:
    assert is_shortage(ControllerError(WorkerGroupStartupTimeoutError(2)))
    assert not any(map(is_shortage, [ControllerError(TimeoutError()), group(DIED), BUG]))


def test_ray_says_what_it_killed_for_memory() -> None:
    assert is_memory_kill(str(OutOfMemoryError("killed due to the node running low on memory.")))
    assert not is_memory_kill(str(DIED))


def test_what_a_group_cannot_start_by_is_told_and_counts() -> None:
    why = RuntimeError("ProcessGroupNCCL is only supported with GPUs, no GPUs found!")
    error = ControllerError(RayTaskError("_setup_torch_process_group", "a traceback", why))
    assert not is_loss(error)
    assert describe(error) == f"RuntimeError: {why}"
