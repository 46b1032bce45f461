"""Model folders: JSON and safetensors only, in two layouts.

The pruned layout holds the smaller weights, and the masks in config.json (``masks``);
``load_model`` reads it. The dense layout is the stock one, zero where units were removed: larger
and slower, for programs that know transformers only.
"""

from __future__ import annotations

import copy
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.initialization import no_init_weights

from doge_ray.atomic import replaced_folder
from doge_ray.encoders import masks
from doge_ray.encoders.families import encoder_layers, family_of, head_width, unit_parameters
from doge_ray.encoders.finite import not_finite
from doge_ray.encoders.sizes import check_size
from doge_ray.encoders.stock import HEADS, described, load_stock, read_config, task_of
from doge_ray.encoders.surgery import context_features, prune
from doge_ray.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

WEIGHTS = "model.safetensors"


def save_model(
    model: PreTrainedModel, folder: str | Path, tokenizer: PreTrainedTokenizerBase | None = None
) -> None:
    """Write a model's folder in the pruned layout, in place of an older one of that name.

    Args:
        model: a network, pruned or not; its configuration records the masks.
        folder: where to; its parents are made.
        tokenizer: written beside it, if given.

    Raises:
        InputError: the recorded masks are damaged, or the folder holds something else.
        FloatingPointError: a weight is not finite.
    """
    head_mask, ffn_mask = masks.recorded_masks(model.config)
    config = _stock_config(model)
    masks.record_masks(config, head_mask, ffn_mask)
    _write(Path(folder), config, model.state_dict(), tokenizer)


def save_dense(
    model: PreTrainedModel, folder: str | Path, tokenizer: PreTrainedTokenizerBase | None = None
) -> None:
    """Write a model in the stock layout, which any transformers program loads.

    Arguments and errors are ``save_model``'s.
    """
    _write(Path(folder), _stock_config(model), _dense_state(model), tokenizer)


def load_model(folder: str | Path) -> PreTrainedModel:
    """The classifier of a folder, of texts or of tokens, pruned or stock, in eval mode.

    Raises:
        InputError: config.json or weights are missing, the architecture is not supported, or
            masks and weights do not belong together.
    """
    folder = Path(folder)
    config = read_config(folder)
    family_of(config)
    if not hasattr(config, masks.KEY):
        return load_stock(folder, config, task_of(config), may_miss=())
    try:
        kept = masks.recorded_masks(config)
        delattr(config, masks.KEY)
        _check_pruned(folder, config, *kept)
        with no_init_weights():
            model = HEADS[task_of(config)].from_config(config)
        prune(model, *kept)
        # copied, not assigned: see load_stock on alignment
        model.load_state_dict(load_file(folder / WEIGHTS), strict=True)
    except Exception as error:  # masks, weights and shapes that do not fit raise many kinds
        raise InputError(
            f"{folder}: {WEIGHTS} and the doge_ray masks in config.json do not belong together "
            f"({shorten(str(error), 300)}); save the model again"
        ) from error
    return model.eval()


def _check_pruned(
    folder: Path,
    config: PreTrainedConfig,
    head_mask: NDArray[np.bool_],
    ffn_mask: NDArray[np.bool_],
) -> None:
    """Refuse a configuration of far more parameters than the masks leave in the file."""
    network = described(folder, config, task_of(config))
    sizes = unit_parameters(network)
    removed = int((~head_mask).sum()) * sizes.head + int((~ffn_mask).sum()) * sizes.ffn
    check_size(folder, network, removed)


def _stock_config(model: PreTrainedModel) -> PreTrainedConfig:
    config = copy.deepcopy(model.config)
    config.architectures, config.dtype = [type(model).__name__], model.dtype
    if hasattr(config, masks.KEY):
        delattr(config, masks.KEY)
    return config


def _dense_state(model: PreTrainedModel) -> dict[str, Tensor]:
    """The state dict of the stock layout: zero where ``model`` lost its units."""
    head_mask, _ = masks.recorded_masks(model.config)
    config = _stock_config(model)
    with torch.device("meta"):  # shapes only
        stock = HEADS[task_of(config)].from_config(config)
    state: dict[str, Tensor] = model.state_dict()
    prefix = f"{model.base_model_prefix}.{family_of(model.config).layers}"
    for index, (layer, head_mask_H) in enumerate(
        zip(encoder_layers(stock), head_mask, strict=True)
    ):
        keep_D = context_features(head_mask_H, head_width(model))
        for name, meta in layer.state_dict().items():
            key = f"{prefix}.{index}.{name}"
            state[key] = _widened(state.get(key), meta, keep_D)
    return state


def _widened(tensor: Tensor | None, stock: Tensor, keep_D: Tensor) -> Tensor:
    """A pruned weight or bias at its place among zeros of the stock shape."""
    if tensor is not None and tensor.shape == stock.shape:
        return tensor
    wide = torch.zeros_like(stock, device="cpu")
    if tensor is None:
        return wide
    if len(tensor) == len(stock):  # W_O lost columns, all others rows
        wide[:, keep_D] = tensor.cpu()
    else:
        wide[keep_D.repeat(len(stock) // len(keep_D))] = tensor.cpu()
    return wide


def _write(
    folder: Path,
    config: PreTrainedConfig,
    state: dict[str, Tensor],
    tokenizer: PreTrainedTokenizerBase | None,
) -> None:
    folder = folder.resolve()
    _require_replaceable(folder)
    if bad := not_finite(state):
        raise FloatingPointError(f"{bad} is not finite, so the model is not saved to {folder}")
    with replaced_folder(folder) as new:
        config.save_pretrained(new)
        contiguous = {name: tensor.contiguous() for name, tensor in state.items()}
        try:
            save_file(contiguous, new / WEIGHTS, metadata={"format": "pt"})
        except SafetensorError as error:  # what safetensors says of a full disk
            raise OSError(f"{new / WEIGHTS} cannot be written: {error}") from error
        if tokenizer is not None:
            tokenizer.save_pretrained(new)


def _require_replaceable(folder: Path) -> None:
    if folder.exists() and not (folder / "config.json").is_file() and any(folder.iterdir()):
        raise InputError(f"{folder} exists and is no model folder; name another, or empty it")
