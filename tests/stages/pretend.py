"""An accelerator that is not there: on the processor, but as strict about devices as a GPU.

Its tensors wrap the processor's. An operation that mixes both raises where CUDA would, and every
exchange with the host is counted, by the line of ours or of transformers that asked for it; so is,
of these, every one that waits for all that the device was told to compute before.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

_setup_privateuseone_for_python_backend("pretend")
DEVICE = torch.device("pretend", 0)
torch.get_device_module(DEVICE).get_amp_supported_dtype = lambda: [torch.bfloat16]
_ATEN = torch.ops.aten
_OURS = ("/doge_ray/", "/transformers/", "torch/optim", "nn/utils")


class OnDevice(torch.Tensor):
    """A tensor of the accelerator; ``raw`` is what it holds."""

    raw: torch.Tensor

    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> OnDevice:
        return torch.Tensor._make_wrapper_subclass(
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=DEVICE,
        )

    def __init__(self, raw: torch.Tensor) -> None:
        self.raw = raw.detach()

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({tuple(self.shape)})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return Accelerator.current.run(func, args, kwargs or {})


class Accelerator(TorchDispatchMode):
    """Computes for the tensors on it, and counts what a host would wait for."""

    current: Accelerator

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: Counter[tuple[str, str]] = Counter()
        self.waits: Counter[tuple[str, str]] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """One operation, on whichever device its tensors are."""
        values, _ = tree_flatten((args, kwargs))
        here = [value for value in values if isinstance(value, OnDevice)]
        host = [v for v in values if isinstance(v, torch.Tensor) and not isinstance(v, OnDevice)]
        if func is _ATEN._to_copy.default:
            return self._copied(func, args[0], kwargs)
        if func is _ATEN.copy_.default:
            return self._written(func, *args)
        if func is _ATEN._local_scalar_dense.default and here:
            self._count("to the host")
        elif here and any(tensor.ndim > 0 for tensor in host):
            raise RuntimeError(f"Expected all tensors to be on the same device: {func}")
        return self._computed(func, args, kwargs, here)

    def _copied(self, func: Any, tensor: torch.Tensor, kwargs: dict[str, Any]) -> torch.Tensor:
        device, was_here = kwargs.get("device"), isinstance(tensor, OnDevice)
        is_here = was_here if device is None else torch.device(device).type == DEVICE.type
        if was_here != is_here:
            self._count("to the device" if is_here else "to the host", kwargs.get("non_blocking"))
        options = {name: value for name, value in kwargs.items() if name != "device"}
        copy = func(_raw(tensor), **options).clone()
        return OnDevice(copy) if is_here else copy

    def _written(self, func: Any, target: Any, source: Any, *rest: Any) -> torch.Tensor:
        if isinstance(target, OnDevice) != isinstance(source, OnDevice):
            waits_not = bool(rest and rest[0])
            self._count(
                "to the device" if isinstance(target, OnDevice) else "to the host", waits_not
            )
        func(_raw(target), _raw(source))
        return target

    def _computed(self, func: Any, args: Any, kwargs: dict[str, Any], here: list[OnDevice]) -> Any:
        made_here = _is_device(kwargs.get("device")) or any(map(_is_device, args))
        on_host: Any = lambda value: torch.device("cpu") if _is_device(value) else _raw(value)  # noqa: E731
        plain_args, options = tree_map(on_host, (args, kwargs))
        if made_here:
            options.pop("generator", None)
        known = {id(tensor.raw): tensor for tensor in here}
        result = func(*plain_args, **options)
        if not here and not made_here:
            return result

        def on_device(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            found = known.get(id(value))
            return OnDevice(value) if found is None else found

        return tree_map(on_device, result)

    def _count(self, direction: str, non_blocking: bool | None = False) -> None:
        frames = (frame for frame in reversed(traceback.extract_stack()))
        place = next((f for f in frames if any(part in f.filename for part in _OURS)), None)
        where = "?" if place is None else f"{place.filename.rpartition('/')[2]}:{place.lineno}"
        self.exchanges[direction, where] += 1
        if direction == "to the host" or not non_blocking:
            self.waits[direction, where] += 1


@contextmanager
def accelerator() -> Iterator[Accelerator]:
    """Let the device be there for a while."""
    # Inference mode knows no tensors that wrap others; for devices it is the same as no gradients.
    with patch("torch._C._InferenceMode", lambda _: torch.no_grad()), Accelerator() as device:
        Accelerator.current = device
        yield device


def _raw(value: Any) -> Any:
    return value.raw if isinstance(value, OnDevice) else value


def _is_device(value: Any) -> bool:
    return isinstance(value, torch.device) and value.type == DEVICE.type
