"""Does a model folder's config.json describe a network as large as the weights beside it?

Asked before a network is built: a wrong number there would fill the memory, or take for ever.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from doge_ray.encoders.locate import require_weights
from doge_ray.errors import InputError

if TYPE_CHECKING:
    from torch import nn

LAYERS = ("num_hidden_layers", "n_layers")
MOST_LAYERS, MOST_CLASSES = 1000, 100_000
KINDS = ("F32", "F16", "BF16", "F64")
"""Types of weights, as safetensors names them."""


def check_counts(folder: Path) -> None:
    """Refuse more layers than the weights have tensors, and classes without number.

    Raises:
        InputError: that, or config.json or the weights cannot be read.
    """
    file = folder / "config.json"
    try:
        counts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        # A folder without weights is refused, but its architecture may be another, which says more.
        tensors = len(_shapes(folder)) or MOST_LAYERS
        most = dict.fromkeys(LAYERS, tensors) | {"num_labels": MOST_CLASSES}
        wrong = {name: counts[name] for name, limit in most.items() if counts.get(name, 0) > limit}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{file} cannot be read: {error}") from None
    for name, count in wrong.items():
        raise InputError(
            f"{file}: {name}={count} is impossible with the {tensors} tensors of its weights; use "
            "a complete checkpoint, one that matches its config.json"
        )


def check_size(folder: Path, network: nn.Module, removed: int) -> None:
    """Refuse a network of other weights.

    Args:
        folder: which holds the weights.
        network: as config.json describes it, without memory (on the device meta).
        removed: parameters of it that pruning takes away.

    Raises:
        InputError: it has more than twice the weights of the folder, a fresh head included.
    """
    require_weights(folder)
    there = sum(map(math.prod, _shapes(folder)))
    described = sum(parameter.numel() for parameter in network.parameters()) - removed
    if described > 2 * there:
        raise InputError(
            f"{folder / 'config.json'} describes a network of {described} parameters, the weights "
            f"beside it hold {there}; use a complete checkpoint, one that matches its config.json"
        )


def _shapes(folder: Path) -> list[list[int]]:
    """The shapes of all tensors in the folder."""
    shapes = []
    for file in folder.glob("*.safetensors"):
        try:
            with safe_open(file, framework="np") as tensors:
                slices = {name: tensors.get_slice(name) for name in tensors.keys()}  # noqa: SIM118
                shapes += [each.get_shape() for each in slices.values()]
                kinds = {name: each.get_dtype() for name, each in slices.items()}
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(
                f"{file} cannot be read as safetensors ({error}); get it again"
            ) from None
        _check_kinds(file, kinds)
    return shapes


def _check_kinds(file: Path, kinds: Mapping[str, str]) -> None:
    for name, kind in kinds.items():
        if kind not in KINDS and name.endswith((".weight", ".bias")):
            raise InputError(
                f"{file}: {name} is of {kind}, as quantised weights are; use the checkpoint before "
                f"it was quantised, in {', '.join(KINDS)}"
            )
