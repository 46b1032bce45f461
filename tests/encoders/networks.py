"""Tiny random networks of every family, and inputs for them.

All weights are drawn, biases and norms too, so that a forgotten bias or norm shows.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from doge_ray.config import Task
from doge_ray.encoders.stock import HEADS

NUM_LAYERS, NUM_HEADS, NUM_LABELS = 3, 4, 3
VOCABULARY, PADDING = 100, 0

SIZES = {
    "vocab_size": VOCABULARY,
    "num_hidden_layers": NUM_LAYERS,
    "num_attention_heads": NUM_HEADS,
    "hidden_size": 32,
    "max_position_embeddings": 64,
    "pad_token_id": PADDING,
}
POSITIONS = {"relative_attention": True, "position_buckets": 8, "pos_att_type": ["c2p", "p2c"]}
BIASES = {"attention_bias": True, "mlp_bias": True, "norm_bias": True, "classifier_bias": True}
WINDOW = {"local_attention": 8, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1}

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {"intermediate_size": 48}),
    "roberta": ("roberta", {"intermediate_size": 48}),
    "xlm-roberta": ("xlm-roberta", {"intermediate_size": 48}),
    "camembert": ("camembert", {"intermediate_size": 48}),
    "electra": ("electra", {"intermediate_size": 48, "embedding_size": 16}),
    "distilbert": ("distilbert", {"hidden_dim": 48}),
    "mpnet": ("mpnet", {"intermediate_size": 48}),
    "deberta-v2": (
        "deberta-v2",
        {"intermediate_size": 48, "share_att_key": False, "conv_kernel_size": 3, **POSITIONS},
    ),
    "deberta-v3": (
        "deberta-v2",
        {
            "intermediate_size": 48,
            "share_att_key": True,
            "position_biased_input": False,
            "norm_rel_ebd": "layer_norm",
            **POSITIONS,
        },
    ),
    "modernbert": ("modernbert", {"intermediate_size": 24, **WINDOW}),
    "modernbert-biased": (
        "modernbert",
        {"intermediate_size": 24, "attention_dropout": 0.1, **WINDOW, **BIASES},
    ),
}
"""Every supported architecture, where it matters in more than one configuration."""


def tiny(
    variant: str, attention: str = "sdpa", seed: int = 0, task: Task = "classification"
) -> PreTrainedModel:
    """A random network of L=3 layers, H=4 heads, D=32 and three classes, in eval mode."""
    model_type, settings = VARIANTS[variant]
    config = AutoConfig.for_model(model_type, num_labels=NUM_LABELS, **SIZES, **settings)
    model = HEADS[task].from_config(config)
    if model_type not in ("deberta-v2", "mpnet"):  # which have one implementation only
        model.set_attn_implementation(attention)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            is_norm_weight = parameter.ndim == 1 and bool((parameter == 1).all())
            parameter.normal_(float(is_norm_weight), 0.25, generator=generator)
    return model.eval()


def inputs(num_examples: int, longest: int = 12, seed: int = 0) -> dict[str, Tensor]:
    """Token ids of mixed lengths, padded on the right to ``longest``, with their mask."""
    generator = torch.Generator().manual_seed(seed)
    ids_BT = torch.randint(3, VOCABULARY, (num_examples, longest), generator=generator)
    lengths_B = torch.randint(2, longest + 1, (num_examples, 1), generator=generator)
    lengths_B[0] = longest
    mask_BT = torch.arange(longest) < lengths_B
    return {"input_ids": ids_BT.where(mask_BT, PADDING), "attention_mask": mask_BT.long()}


def labels(num_examples: int) -> Tensor:
    """Class indices, all classes in turn."""
    return torch.arange(num_examples) % NUM_LABELS


def logits_of(model: PreTrainedModel, batch: dict[str, Tensor]) -> Tensor:
    """(B, classes), without gradient."""
    with torch.no_grad():
        return model(**batch).logits
