"""What a pass need not compute: padding, and in the last layer tokens that nothing reads.

Shapes: B rows, T tokens of the longest, P real tokens of all rows, D hidden width.

Between an encoder's first layer and its last the rows stand end to end, (1, P, D). Attention alone
mixes tokens: its module gets them back as rows, (B, T, D), so masks, positions and biases are what
they always are, in every family. What it computes of padding is a quarter of a layer's arithmetic,
its projections (a third or more where W_O is part of the module), and products of queries, keys and
values, which are few while texts are shorter than a network is wide.

A classifier of texts reads the first token. Behind the last layer's attention nothing mixes tokens,
so the others' part of its FFN is of no use: two thirds of a layer's arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from doge_ray.encoders.families import encoder_layers, family_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@contextmanager
def first_token_alone(model: PreTrainedModel) -> Iterator[None]:
    """Let the forward passes of a classifier of texts go on with what it reads; it gives the same.

    The last hidden states are (B, 1, D), where the architecture allows it.
    """
    with ExitStack() as hooks:
        if (half := _last_attention_half(model)) is not None:
            hooks.callback(_after(half, lambda rows_BTD: rows_BTD[:, :1]))
        yield


@contextmanager
def packed(
    model: PreTrainedModel,
    places_P: Tensor,
    shape: tuple[int, int],
    first_B: Tensor | None = None,
) -> Iterator[None]:
    """Let the forward passes of a network leave padding out; what they give stays as it is.

    Outside of the real tokens the last hidden states are zero instead of arbitrary.

    Args:
        model: of a supported family, pruned or not.
        places_P: where the batch has real tokens, in ascending order, as indices of its B · T.
        shape: (B, T).
        first_B: which of the real tokens begin a row; goes on with them alone as
            ``first_token_alone`` does.
    """

    def pack(rows_BTD: Tensor) -> Tensor:
        return _taken(rows_BTD.flatten(0, 1), places_P)[None]

    def unpack(tokens_1PD: Tensor) -> Tensor:
        rows_ND: Tensor = _Unpack.apply(tokens_1PD[0], places_P, math.prod(shape))  # type: ignore[no-untyped-call]
        return rows_ND.unflatten(0, shape)

    family, layers = family_of(model.config), encoder_layers(model)
    half = None if first_B is None else _last_attention_half(model)
    with ExitStack() as hooks:
        if first_B is not None and half is not None:
            hooks.callback(_after(half, lambda rows_1PD: _taken(rows_1PD[0], first_B)[:, None]))
        for stretch in _stretches(model):
            hooks.callback(_before(stretch[0], pack))
            if half is None or stretch[-1] is not layers[-1]:
                hooks.callback(_after(stretch[-1], unpack))
            for layer in stretch:
                attention = layer.get_submodule(family.attention)
                hooks.callback(_before(attention, unpack))
                hooks.callback(_after(attention, pack))
        yield


def _stretches(model: PreTrainedModel) -> list[list[nn.Module]]:
    """Layers between which nothing reads the hidden states."""
    layers = encoder_layers(model)
    return [[layer] for layer in layers] if _reads_between(model) else [layers]


def _reads_between(model: PreTrainedModel) -> bool:
    between = family_of(model.config).between_layers
    return between in dict(model.base_model.named_modules())


def _last_attention_half(model: PreTrainedModel) -> nn.Module | None:
    """What ends it, unless something behind it reads more than the first token."""
    family, layers = family_of(model.config), encoder_layers(model)
    is_read_between = len(layers) == 1 and _reads_between(model)
    if family.attention_half is None or is_read_between:
        return None
    return layers[-1].get_submodule(family.attention_half)


def _before(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    """Change the hidden states that a module is called with; returns what undoes it."""

    def hook(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args:
            return (change(args[0]), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": change(kwargs["hidden_states"])}

    return module.register_forward_pre_hook(hook, with_kwargs=True, prepend=True).remove


def _after(module: nn.Module, change: Callable[[Tensor], Tensor]) -> Callable[[], None]:
    """Change the hidden states that a module returns, alone or first of several."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            return change(output)
        return (change(output[0]), *output[1:])

    return module.register_forward_hook(hook).remove


def _taken(rows_ND: Tensor, places_P: Tensor) -> Tensor:
    tokens_PD: Tensor = _Pack.apply(rows_ND, places_P)  # type: ignore[no-untyped-call]
    return tokens_PD


class _Pack(torch.autograd.Function):
    """(N, D) to (P, D). No row is taken twice, so its gradient is set and never summed."""

    @staticmethod
    def forward(ctx: Any, rows_ND: Tensor, places_P: Tensor) -> Tensor:
        ctx.save_for_backward(places_P)
        ctx.num_rows = len(rows_ND)
        return rows_ND.index_select(0, places_P)

    @staticmethod
    def backward(ctx: Any, gradient_PD: Tensor) -> tuple[Tensor, None]:
        (places_P,) = ctx.saved_tensors
        return _spread(gradient_PD, places_P, ctx.num_rows), None


class _Unpack(torch.autograd.Function):
    """(P, D) to (N, D), zero where no token is."""

    @staticmethod
    def forward(ctx: Any, tokens_PD: Tensor, places_P: Tensor, num_rows: int) -> Tensor:
        ctx.save_for_backward(places_P)
        return _spread(tokens_PD, places_P, num_rows)

    @staticmethod
    def backward(ctx: Any, gradient_ND: Tensor) -> tuple[Tensor, None, None]:
        (places_P,) = ctx.saved_tensors
        return gradient_ND.index_select(0, places_P), None, None


def _spread(tokens_PD: Tensor, places_P: Tensor, num_rows: int) -> Tensor:
    return tokens_PD.new_zeros(num_rows, tokens_PD.shape[1]).index_copy_(0, places_P, tokens_PD)
