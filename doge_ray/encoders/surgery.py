"""Physically smaller networks: the heads and FFN blocks of a mask cut out of the weights.

Shapes: L layers, H heads, D hidden width. Masks are boolean, True = kept. A pruned network
computes what the gated one (``gates.gated``) computes with gates 0 and 1.
"""

from __future__ import annotations

from functools import partial
from inspect import signature
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from doge_ray.encoders.families import (
    Family,
    encoder_layers,
    family_of,
    head_linears,
    head_width,
    linear_at,
    shared_modules,
)
from doge_ray.encoders.masks import check_masks, record_masks, require_dense

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedModel


class Hollow(nn.Module):
    """What is left of a linear map that lost all inputs, or all outputs: its bias, or zero.

    It holds no empty weights and does no arithmetic.
    """

    in_features = 0

    def __init__(self, out_features: int, bias: nn.Parameter | None = None) -> None:
        super().__init__()
        self.out_features = out_features
        self.bias = bias

    def forward(self, inputs: Tensor) -> Tensor:
        """(..., any) to (..., out_features)."""
        shape = (*inputs.shape[:-1], self.out_features)
        return inputs.new_zeros(shape) if self.bias is None else self.bias.expand(shape)


class Headless(nn.Module):
    """Self-attention without heads: an empty context.

    Stock attention is not called with none: DeBERTa-v2 crashes, and kernels promise nothing.
    """

    def __init__(self, attention: nn.Module, after_context: tuple[str, ...]) -> None:
        super().__init__()
        for name in after_context:
            self.add_module(name, attention.get_submodule(name))

    def forward(self, hidden_BTD: Tensor, *_: Any, **__: Any) -> tuple[Tensor, None]:
        """What the stock module returns: the context, or its projection, and no weights."""
        result = hidden_BTD.new_empty((*hidden_BTD.shape[:-1], 0))
        for module in self.children():
            result = module(result)
        return result, None


def prune(
    model: PreTrainedModel, head_mask: NDArray[np.bool_], ffn_mask: NDArray[np.bool_]
) -> None:
    """Remove heads and FFN blocks from a network, in place.

    W_O keeps its bias and the norms after the residual sums stay; an FFN block's last bias goes
    with it, and so does a norm that nothing reads any more. The parameters are new: make the
    optimizer afterwards. The masks are recorded in the model's configuration.

    Args:
        model: an unpruned network of a supported family.
        head_mask: heads to keep, (L, H).
        ffn_mask: FFN blocks to keep, (L,).

    Raises:
        InputError: a mask of another shape or type, or a model that was pruned before (a mask
            counts the units of the unpruned network, so a second one would be ambiguous).
    """
    check_masks(model.config, head_mask, ffn_mask)
    require_dense(model.config)
    record_masks(model.config, head_mask, ffn_mask)
    family, width, layers = family_of(model.config), head_width(model), encoder_layers(model)
    for layer, head_mask_H, keep_ffn in zip(layers, head_mask, ffn_mask, strict=True):
        if not head_mask_H.any():
            _remove_attention(layer, family)
        elif not head_mask_H.all():
            _prune_heads(layer, family, head_mask_H, width)
        if not keep_ffn:
            _remove_ffn(layer, family)
    if not head_mask.any():
        for module in shared_modules(model):  # several processes would wait for its gradient
            module.requires_grad_(False)


def context_features(head_mask_H: NDArray[np.bool_], width: int) -> Tensor:
    """Which features of a layer's concatenated context stay, (H * width,)."""
    return torch.from_numpy(np.repeat(head_mask_H, width))


def _prune_heads(
    layer: nn.Module, family: Family, head_mask_H: NDArray[np.bool_], width: int
) -> None:
    attention, output = layer.get_submodule(family.attention), linear_at(layer, family.output)
    keep_D = context_features(head_mask_H, width)
    for linear in head_linears(layer, family):
        blocks = linear.out_features // len(keep_D)
        _keep_rows(linear, keep_D.repeat(blocks))
    _keep_columns(output, keep_D)
    if family.head_count:
        setattr(attention, family.head_count, int(head_mask_H.sum()))
    if family.context_width:
        setattr(attention, family.context_width, int(keep_D.sum()))
    if family.position_bias:
        _share_bias(attention, family.position_bias, head_mask_H)


def _share_bias(attention: nn.Module, argument: str, head_mask_H: NDArray[np.bool_]) -> None:
    """Have an attention read its own heads' part of a bias that the encoder gives to all layers."""
    kept = torch.from_numpy(head_mask_H.nonzero()[0])
    # a buffer moves with the network; one that is not persistent leaves its weights' names alone
    attention.register_buffer("kept_heads", kept, persistent=False)
    attention.register_forward_pre_hook(partial(_own_bias, argument), with_kwargs=True)


def _own_bias(
    argument: str, attention: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    call = signature(attention.forward).bind(*args, **kwargs)
    bias_BHTT: Tensor = call.arguments[argument]
    call.arguments[argument] = bias_BHTT.index_select(1, attention.get_buffer("kept_heads"))
    return call.args, call.kwargs


def _remove_attention(layer: nn.Module, family: Family) -> None:
    output = linear_at(layer, family.output)
    layer.set_submodule(family.output, Hollow(output.out_features, output.bias))
    attention = layer.get_submodule(family.attention)
    layer.set_submodule(family.attention, Headless(attention, family.after_context))
    if family.attention_norm:
        layer.set_submodule(family.attention_norm, nn.Identity())


def _remove_ffn(layer: nn.Module, family: Family) -> None:
    last = linear_at(layer, family.ffn_last)
    layer.set_submodule(family.ffn_first, Hollow(0))
    layer.set_submodule(family.ffn_last, Hollow(last.out_features))
    if family.ffn_norm:
        layer.set_submodule(family.ffn_norm, nn.Identity())


def _keep_rows(linear: nn.Linear, keep: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[keep])
    if linear.bias is not None:
        linear.bias = nn.Parameter(linear.bias.detach()[keep])
    linear.out_features = len(linear.weight)


def _keep_columns(linear: nn.Linear, keep: Tensor) -> None:
    linear.weight = nn.Parameter(linear.weight.detach()[:, keep].contiguous())
    linear.in_features = linear.weight.shape[1]
