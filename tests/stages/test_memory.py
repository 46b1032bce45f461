"""Where a batch does not fit into memory, halves of it do the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from doge_ray.stages.activations import count_active
from doge_ray.stages.evaluate import predict
from doge_ray.stages.memory import in_parts_that_fit, is_out_of_memory
from doge_ray.stages.score import score
from doge_ray.stages.world import World
from tests.encoders.networks import tiny
from tests.stages.corpora import random_corpus

ALONE = World(0, 1, torch.device("cpu"))
ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
    RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    RuntimeError("NCCL Error 1: unhandled cuda error\nCuda failure 2 'out of memory'"),
    RuntimeError("CUDA driver error: CUDA_ERROR_OUT_OF_MEMORY"),
    RuntimeError("MPS backend out of memory (MPS allocated: 18 GiB)"),
]


@contextmanager
def room_for(rows: int, model: nn.Module) -> Iterator[None]:
    """Let every forward pass of more rows fail as an allocation does."""

    def allocate(_: nn.Module, __: Any, inputs: dict[str, torch.Tensor]) -> None:
        if len(inputs["input_ids"]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = model.register_forward_pre_hook(allocate, with_kwargs=True)
    yield
    hook.remove()


@given(count=st.integers(1, 70), room=st.integers(1, 70), error=st.integers(0, len(ERRORS) - 1))
def test_every_row_is_done_once_and_in_order(count: int, room: int, error: int) -> None:
    done: list[int] = []

    def work(rows: np.ndarray) -> None:
        if len(rows) > room:
            raise ERRORS[error]
        done.extend(rows)

    in_parts_that_fit(work, np.arange(count) * 3)
    assert done == [3 * n for n in range(count)]


@pytest.mark.parametrize("error", [*ERRORS, RuntimeError("mat1 and mat2"), ValueError("other")])
def test_what_halving_cannot_mend_is_raised(error: Exception) -> None:
    def work(rows: np.ndarray) -> None:
        if len(rows) == 1 or not is_out_of_memory(error):
            raise error
        raise MemoryError

    with pytest.raises(type(error)):
        in_parts_that_fit(work, np.arange(8))


def test_predictions_scores_and_counts_are_the_same_with_little_memory() -> None:
    model, data = tiny("bert"), random_corpus(48)
    with_room = everything(model, data)
    with room_for(5, model):
        without = everything(model, data)
    for name, value in with_room.items():
        np.testing.assert_allclose(without[name], value, rtol=1e-5, atol=1e-9, err_msg=name)


def test_they_are_the_same_where_only_the_sums_find_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, data = tiny("bert"), random_corpus(48)
    with_room, double = everything(model, data), torch.Tensor.double

    def scarce(tensor: torch.Tensor) -> torch.Tensor:
        if len(tensor) > 5:
            raise ERRORS[0]
        return double(tensor)

    monkeypatch.setattr(torch.Tensor, "double", scarce)
    for name, value in everything(model, data).items():
        np.testing.assert_allclose(value, with_room[name], rtol=1e-5, atol=1e-9, err_msg=name)


def everything(model: Any, data: Any) -> dict[str, np.ndarray]:
    domains = data.source_domains
    moments = score(model, data.train, domains, batch_size=32, granularity="example", world=ALONE)
    active = count_active(model, data.train, domains, ALONE)
    arrays = vars(moments) | vars(active)
    del arrays["domains"]
    return arrays | {"predictions": predict(model, data.dev, ALONE, "fp32")}
