"""A device that fails under a process ends that process, and no trial but its own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from doge_ray.config.schema import ResourceConfig
from doge_ray.engine.work import devices
from doge_ray.engine.work.devices import own_device
from doge_ray.engine.work.faults import is_of_accelerator, is_of_device, unfit_machine
from doge_ray.engine.work.fitness import UnfitMachineError
from tests.engine.project import every_python_runs, make_project, run, table

BROKEN = '''
"""Loaded by every Python: the first process that trains is one whose device is lost to it."""
import os

import wrapt

FIRST = os.environ["FIRST_TO_TRAIN"]


@wrapt.when_imported("doge_ray.engine.work.training")
def loaded(module):
    train = module.train

    def broken(*args, **kwargs):
        import torch
        try:
            with open(FIRST, "x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            pass
        if open(FIRST).read() == str(os.getpid()):
            raise torch.AcceleratorError("CUDA error: device-side assert triggered")
        return train(*args, **kwargs)

    module.train = broken
'''


@pytest.mark.ray
def test_one_trial_fails_and_the_others_do_not(tmp_path: Path) -> None:
    path = make_project(
        tmp_path,
        methods=["dense"],
        search={"num_trials": 3, "max_failures": 0},
        train={"max_epochs": 1},
    )
    variables = every_python_runs(BROKEN, tmp_path) | {"FIRST_TO_TRAIN": str(tmp_path / "first")}
    ended = run("sweep", str(path), variables=variables)
    assert ended.returncode == 0, ended.stderr
    rows = table(tmp_path)
    assert [row["status"] for row in rows].count("failed") == 1
    assert len(rows) == 4
    (failed,) = (row for row in rows if row["status"] == "failed")
    assert "AcceleratorError: CUDA error: device-side assert triggered" in str(failed["error"])


def test_what_an_error_of_a_device_is() -> None:
    yes = [torch.AcceleratorError("odd"), RuntimeError("CUDA error: an illegal address")]
    yes += [RuntimeError("NCCL error in: ProcessGroupNCCL.cpp:1, unhandled cuda error")]
    yes += [RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED")]
    assert all(map(is_of_accelerator, yes))
    assert all(map(is_of_device, yes))
    asserted = torch.AcceleratorError("CUDA error: device-side assert triggered")
    assert is_of_accelerator(asserted)
    assert not is_of_device(asserted)  # a label or token that is out of range does it too
    no = [torch.AcceleratorError("CUDA error: out of memory"), RuntimeError("mat1 and mat2")]
    no += [ValueError("CUDA error"), KeyError("x")]
    assert not any(map(is_of_accelerator, no))


class GivenOne:
    """Ray's context of a process that was given a GPU."""

    def get_accelerator_ids(self) -> dict[str, list[str]]:
        return {"GPU": ["3"]}

    def get_node_id(self) -> str:
        return "a1b2c3d4e5f6"


@pytest.mark.skipif(torch.cuda.is_available(), reason="its GPUs can be used")
def test_a_gpu_that_was_given_and_cannot_be_used_is_no_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert own_device(ResourceConfig()) == torch.device("cpu")
    assert not devices.ray.is_initialized()
    monkeypatch.setattr(devices.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(devices.ray, "get_runtime_context", GivenOne)
    with pytest.raises(
        UnfitMachineError, match=r"GPU 3 of node a1b2c3d4.*cannot be used: "
    ) as error:
        own_device(ResourceConfig())
    assert unfit_machine(error.value) is error.value


@pytest.mark.skipif(torch.cuda.is_available(), reason="its GPUs can be used")
@pytest.mark.parametrize("fault", ["CUDA error: out of memory", "all devices are busy"])
def test_a_gpu_that_is_only_full_is_no_broken_one(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices.ray, "is_initialized", lambda: True)
    monkeypatch.setattr(devices.ray, "get_runtime_context", GivenOne)
    monkeypatch.setattr(devices, "gpu_fault", lambda *devices: fault)
    with pytest.raises(
        RuntimeError, match=r"cannot be used: .*; look at nvidia-smi there"
    ) as error:
        own_device(ResourceConfig())
    assert unfit_machine(error.value) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_share_of_a_gpu_is_a_share_of_its_memory() -> None:
    device = own_device(ResourceConfig(gpus_per_worker=0.1))
    whole = torch.cuda.get_device_properties(0).total_memory
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(whole // 5, dtype=torch.uint8, device=device)
    torch.cuda.set_per_process_memory_fraction(1.0)
