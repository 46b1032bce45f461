"""Attention masks that are made without a look at their values.

transformers asks the device whether a batch has padding at all, to leave out the mask of one that
has none. Whoever makes the batch knows that, and gives no mask then; so there is nothing to ask,
and the host does not wait in the midst of a step for all that the device was told before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

_ASKING = {"sdpa": sdpa_mask, "eager": eager_mask}


def attend_without_waiting(model: PreTrainedModel) -> None:
    """Let a network take a mask as it is; no mask says that nothing is padded."""
    kind = model.config._attn_implementation
    if kind == "sdpa":
        model.set_attn_implementation(_name(kind))
    elif kind == "eager" and not model._supports_sdpa:
        # Its attention is its own; by the name it looks up the mask alone.
        model.config._attn_implementation = _name(kind)


def _name(kind: str) -> str:
    return f"{kind}_without_waiting"


def _mask(
    make: Callable[..., Any],
    *args: Any,
    attention_mask: torch.Tensor | None = None,
    **options: Any,
) -> Any:
    if attention_mask is not None:
        options |= {"allow_is_bidirectional_skip": False}
    return make(*args, attention_mask=attention_mask, **options)


AttentionInterface.register(_name("sdpa"), sdpa_attention_forward)
for _kind, _make in _ASKING.items():
    AttentionMaskInterface.register(_name(_kind), partial(_mask, _make))
