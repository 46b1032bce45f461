"""Which units a network has left, as its configuration records it.

Shapes: L layers, H heads. Masks are boolean, True = kept. A pruned network's configuration, and so
its config.json, holds one string of H digits per layer and one of L digits, 1 = kept:

    "doge_ray": {"head_mask": ["110111", ...], "ffn_mask": "10..."}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from doge_ray.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedConfig

KEY = "doge_ray"


def recorded_masks(config: PreTrainedConfig) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The head mask (L, H) and FFN mask (L,) of a network; all True where nothing is recorded.

    Raises:
        InputError: the record is not of the form above, or of another network's shape.
    """
    num_layers, num_heads = config.num_hidden_layers, config.num_attention_heads
    if not hasattr(config, KEY):
        return np.ones((num_layers, num_heads), bool), np.ones(num_layers, bool)
    try:
        record = getattr(config, KEY)
        head_mask = np.array([_from_digits(digits) for digits in record["head_mask"]])
        ffn_mask = _from_digits(record["ffn_mask"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{KEY} in config.json holds no masks ({error!r})") from error
    check_masks(config, head_mask, ffn_mask)
    return head_mask, ffn_mask


def record_masks(
    config: PreTrainedConfig, head_mask: NDArray[np.bool_], ffn_mask: NDArray[np.bool_]
) -> None:
    """Note in a configuration which units are left."""
    heads = [_digits(head_mask_H) for head_mask_H in head_mask]
    setattr(config, KEY, {"head_mask": heads, "ffn_mask": _digits(ffn_mask)})


def check_masks(
    config: PreTrainedConfig, head_mask: NDArray[np.bool_], ffn_mask: NDArray[np.bool_]
) -> None:
    """Refuse masks that are not boolean arrays of shapes (L, H) and (L,).

    Raises:
        InputError: naming the mask, what it is and what it should be.
    """
    num_layers, num_heads = config.num_hidden_layers, config.num_attention_heads
    for name, mask, shape in (
        ("head_mask", head_mask, (num_layers, num_heads)),
        ("ffn_mask", ffn_mask, (num_layers,)),
    ):
        if mask.shape != shape or mask.dtype != np.bool_:
            raise InputError(
                f"{name} is {mask.dtype} of shape {mask.shape}; "
                f"this model needs bool (True = kept) of shape {shape}"
            )


def require_dense(config: PreTrainedConfig) -> None:
    """Refuse a network that lost units: gates, masks and counts speak of all of them.

    Raises:
        InputError: heads or FFN blocks are missing.
    """
    head_mask, ffn_mask = recorded_masks(config)
    if not head_mask.all() or not ffn_mask.all():
        raise InputError(
            f"the model is already pruned: it has {head_mask.sum(1).tolist()} heads and "
            f"{ffn_mask.astype(int).tolist()} FFN blocks by layer; start from the unpruned model"
        )


def _digits(mask: NDArray[np.bool_]) -> str:
    return "".join("1" if keep else "0" for keep in mask)


def _from_digits(digits: str) -> NDArray[np.bool_]:
    return np.array([{"1": True, "0": False}[digit] for digit in digits])
