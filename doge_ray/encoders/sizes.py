"""Does a model folder's config.json describe a network as large as the weights beside it?

Asked before a network is built: a wrong number there would fill the memory, or take for ever.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError, safe_open

from doge_ray.encoders.locate import require_weights
from doge_ray.errors import InputError

if TYPE_CHECKING:
    from torch import nn

LAYERS = ("num_hidden_layers", "n_layers")
MOST_LAYERS, MOST_CLASSES = 1000, 100_000


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
    """The shape of every tensor in the folder."""
    shapes = []
    for file in folder.glob("*.safetensors"):
        try:
            with safe_open(file, framework="np") as tensors:
                names = tensors.keys()
                shapes += [tensors.get_slice(name).get_shape() for name in names]
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(
                f"{file} cannot be read as safetensors ({error}); get it again"
            ) from None
    return shapes
