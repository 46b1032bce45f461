"""The loss of each example: what is trained on, and what sensitivities are gradients of.

Shapes: B examples, T tokens, C classes.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from doge_ray.domains.rows import NO_LABEL


def example_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each example (B,), in float32 at least, also under autocast.

    Args:
        logits: (B, C), or for tags (B, T, C).
        labels: class indices (B,), or tags (B, T) with ``NO_LABEL`` where a token has none. A
            sentence's loss is the mean over its labelled tokens, 0 without any.
    """
    logits = full_precision(logits)
    if logits.ndim == 2:
        return cross_entropy(logits, labels, reduction="none")
    losses_BT = cross_entropy(
        logits.transpose(1, 2), labels, ignore_index=NO_LABEL, reduction="none"
    )
    return losses_BT.sum(1) / (labels != NO_LABEL).sum(1).clamp(min=1)


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
