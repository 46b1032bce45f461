"""The loss of each example: what is trained on, and what sensitivities are gradients of.

Shapes: B examples, C classes.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy


def example_losses(logits_BC: torch.Tensor, labels_B: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each example (B,), in float32 also under autocast."""
    return cross_entropy(logits_BC.float(), labels_B, reduction="none")
