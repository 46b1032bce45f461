"""The gates ξ and ν of the paper's section 3.2, and their exact gradients for a whole batch.

Shapes: B examples, T tokens, L layers, H heads, D hidden width, P parts of D.

A gate multiplies one head's slice of the attention context before W_O (ξ), or one FFN block's
output with its bias before the residual sum (ν). All gates are 1, so the gradient of an example's
loss by a gate is the inner product of what the gate multiplies with the loss's gradient by it,
summed over tokens. Examples do not meet in an eval-mode network: one backward pass of the sum of
the losses holds every example's gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal, Self

import torch
from torch import Tensor, nn

from doge_ray.encoders.families import (
    encoder_layers,
    family_of,
    head_width,
    linear_at,
    unit_shape,
)
from doge_ray.encoders.masks import require_dense

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Granularity = Literal["example", "token"]


class GateGradients:
    """While open, the forward passes of a model leave what its gates' gradients need.

    The model is frozen and in eval mode inside, and as it was afterwards: only activations take
    part in the backward pass, and it ends at the first layer's context.

        with GateGradients(model) as gates:
            logits = model(**inputs).logits
            losses_B = cross_entropy(logits, labels, reduction="none")
            heads_BLH, ffn_BL = gates.sensitivities(losses_B, "example")

    Raises:
        InputError: the model is already pruned.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        require_dense(model.config)
        self._model = model
        self._open = ExitStack()
        self._roots: list[Tensor] = []
        self._heads_BTH: dict[int, Tensor] = {}
        self._ffn_BT1: dict[int, Tensor] = {}

    def __enter__(self) -> Self:
        self._open.enter_context(_frozen(self._model))
        family, (_, num_heads) = family_of(self._model.config), unit_shape(self._model)
        for index, layer in enumerate(encoder_layers(self._model)):
            output, ffn_last = linear_at(layer, family.output), linear_at(layer, family.ffn_last)
            watch_heads = partial(self._watch_heads, index, num_heads)
            watch_ffn = partial(self._watch_ffn, index)
            self._open.callback(output.register_forward_pre_hook(watch_heads).remove)
            self._open.callback(ffn_last.register_forward_hook(watch_ffn).remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        self._open.close()

    def sensitivities(self, losses_B: Tensor, granularity: Granularity) -> tuple[Tensor, Tensor]:
        """|gradient| of each example's loss by every gate, from the last forward pass.

        Args:
            losses_B: the loss of each example of that pass, (B,).
            granularity: "example" takes the absolute value of the whole example's gradient, as
                the paper's equation does; "token" that of each token's share, then sums them, as
                the authors' code does.

        Returns:
            Heads (B, L, H) and FFN blocks (B, L), float32. The graph of the pass is used up.
        """
        torch.autograd.grad(losses_B.sum(), self._roots)
        reduce = _of_example if granularity == "example" else _of_tokens
        layers = sorted(self._heads_BTH)
        heads_BLH = torch.stack([reduce(self._heads_BTH[i]) for i in layers], dim=1)
        ffn_BL1 = torch.stack([reduce(self._ffn_BT1[i]) for i in layers], dim=1)
        self._forget()
        return heads_BLH, ffn_BL1.squeeze(-1)

    def _watch_heads(self, index: int, num_heads: int, _: nn.Module, inputs: tuple[Tensor]) -> None:
        (context_BTD,) = inputs
        if not context_BTD.requires_grad:  # the first layer's: nothing before it needs a gradient
            self._roots = [context_BTD.requires_grad_(True)]
        _multiply_on_backward(context_BTD, num_heads, self._heads_BTH, index)

    def _watch_ffn(self, index: int, _: nn.Module, __: tuple[Tensor], output_BTD: Tensor) -> None:
        _multiply_on_backward(output_BTD, 1, self._ffn_BT1, index)

    def _forget(self) -> None:
        self._roots = []
        self._heads_BTH.clear()
        self._ffn_BT1.clear()


@contextmanager
def gated(model: PreTrainedModel, head_gates_LH: Tensor, ffn_gates_L: Tensor) -> Iterator[None]:
    """Gate the forward passes of a model, to the letter of the paper's definition.

    Args:
        model: an unpruned network; it is left as it was.
        head_gates_LH: ξ, one factor per head, (L, H); may require gradients.
        ffn_gates_L: ν, one factor per FFN block, (L,); may require gradients.

    Raises:
        InputError: the model is already pruned.
    """
    require_dense(model.config)
    family, width = family_of(model.config), head_width(model)

    def gate_heads(gates_H: Tensor, _: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        return inputs[0] * gates_H.repeat_interleave(width)

    def gate_ffn(gate: Tensor, _: nn.Module, __: tuple[Tensor], output_BTD: Tensor) -> Tensor:
        return output_BTD * gate

    with ExitStack() as hooks:
        layers = encoder_layers(model)
        for layer, gates_H, gate in zip(layers, head_gates_LH, ffn_gates_L, strict=True):
            output, ffn_last = linear_at(layer, family.output), linear_at(layer, family.ffn_last)
            on_context, on_ffn = partial(gate_heads, gates_H), partial(gate_ffn, gate)
            hooks.callback(output.register_forward_pre_hook(on_context).remove)
            hooks.callback(ffn_last.register_forward_hook(on_ffn).remove)
        yield


@contextmanager
def _frozen(model: PreTrainedModel) -> Iterator[None]:
    """Eval mode, and no parameter that requires a gradient."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    training = model.training
    model.eval().requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for parameter in trained:
            parameter.requires_grad_(True)


def _multiply_on_backward(
    activation_BTD: Tensor, parts: int, products_BTP: dict[int, Tensor], index: int
) -> None:
    """Once its gradient is there, note the inner products of an activation's P parts with it.

    A hook, so that the gradients of all layers need not be kept until the backward pass ends.
    """
    value_BTD = activation_BTD.detach()  # the activation itself would hold its hook, and it that

    def multiply(gradient_BTD: Tensor) -> None:
        product_BTD = value_BTD.float() * gradient_BTD.float()
        products_BTP[index] = product_BTD.view(*product_BTD.shape[:-1], parts, -1).sum(-1)

    activation_BTD.register_hook(multiply)


def _of_example(products_BTP: Tensor) -> Tensor:
    return products_BTP.sum(1).abs()


def _of_tokens(products_BTP: Tensor) -> Tensor:
    return products_BTP.abs().sum(1)
