"""The loss of each example: what is trained on, and what sensitivities are gradients of.

Shapes: B examples, C classes.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy


def example_losses(logits_BC: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each example (B,), in float32 at least, also under autocast."""
    return cross_entropy(full_precision(logits_BC), labels_B, reduction="none")


def full_precision(tensor: torch.Tensor) -> torch.Tensor:
    """In float32, or in float64 if it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def example_slopes(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """∂ loss / ∂w of each example (B,) at w = 1, a factor on its logits; differentiable itself."""
    with torch.enable_grad():
        factor_B = torch.ones(len(logits), device=logits.device, requires_grad=True)
        scaled = full_precision(logits) * factor_B.view(-1, *[1] * (logits.ndim - 1))
        losses_B = example_losses(scaled, labels)
        (slopes_B,) = torch.autograd.grad(losses_B.sum(), factor_B, create_graph=True)
    return slopes_B
