"""Weights that are numbers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def not_finite(state: Mapping[str, Tensor]) -> str:
    """The name of a tensor that holds an infinity or what is not a number; "" where none does.

    Args:
        state: tensors by name, all on one device: their answers travel from it together.
    """
    names = [name for name, tensor in state.items() if tensor.is_floating_point()]
    if not names:
        return ""
    finite = torch.stack([state[name].isfinite().all() for name in names]).cpu().tolist()
    return next((name for name, each in zip(names, finite, strict=True) if not each), "")
