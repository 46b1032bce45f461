"""Where each architecture keeps its attention heads and FFN blocks.

Shapes: B examples, L layers, H heads, D hidden width, T tokens. Paths are dotted module names;
those of a unit are relative to its encoder layer. A new architecture is one more entry of
``FAMILIES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from doge_ray.encoders.masks import require_dense
from doge_ray.errors import InputError
from doge_ray.tickets.ticket import UnitParameters

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel


def every_position(config: PreTrainedConfig) -> int | None:
    """Positions are counted from the first one that there is."""
    return int(config.max_position_embeddings)


def behind_padding(config: PreTrainedConfig) -> int | None:
    """Positions are counted from behind the padding token's index."""
    return int(config.max_position_embeddings - _named_padding(config) - 1)


def _named_padding(config: PreTrainedConfig) -> int:
    if config.pad_token_id is None:
        raise InputError(
            f"config.json: pad_token_id is null, and positions of {config.model_type} are counted "
            "from behind it; set it to the index of the tokenizer's pad_token"
        )
    return int(config.pad_token_id)


def behind_one(config: PreTrainedConfig) -> int | None:
    """Positions are counted from behind index 1, whatever the padding token's is."""
    return int(config.max_position_embeddings - 2)


def any_padding(config: PreTrainedConfig) -> int | None:
    """Positions do not depend on it."""
    return None


def own_padding(config: PreTrainedConfig) -> int | None:
    """The index that the configuration names."""
    return _named_padding(config)


def one(config: PreTrainedConfig) -> int | None:
    """Index 1, whatever the configuration names."""
    return 1


def only_if_absolute(config: PreTrainedConfig) -> int | None:
    """Positions count where the configuration adds them to the input, beside relative ones."""
    return every_position(config) if config.position_biased_input else None


@dataclass(frozen=True)
class Family:
    """The layout of one architecture, as transformers implements it."""

    layers: str
    """The encoder's layer list, under the base model."""
    attention: str
    """The module that turns hidden states into the heads' concatenated context."""
    by_head: tuple[str, ...]
    """Linears whose output rows belong to heads, in one or (fused) several blocks of H heads.
    Those that a configuration leaves out are skipped."""
    output: str
    """W_O, whose input is the heads' concatenated context."""
    ffn_first: str
    """W1 (with the gate's rows, if the FFN is gated)."""
    ffn_last: str
    """W2, whose output with its bias is the FFN block's output."""
    fresh: tuple[str, ...]
    """Modules of the stock classification head, under the whole model: untrained at θ0."""
    fresh_tagger: tuple[str, ...] = ("classifier",)
    """The same of the stock head that gives every token a class."""
    after_context: tuple[str, ...] = ()
    """Children of ``attention`` that it applies to the context itself, in order."""
    head_count: str | None = None
    """Attribute of ``attention`` that its forward pass reads the number of heads from."""
    context_width: str | None = None
    """The same of the width of the heads' concatenated context."""
    position_bias: str | None = None
    """Argument of ``attention`` that brings a bias (B, H, T, T), which the encoder computes once,
    for the heads of all layers."""
    attention_half: str | None = None
    """The module that ends a layer's attention half, its residual sum included: what follows reads
    nothing else and takes each token by itself, and the stock head of texts reads the first token
    alone. None where that sum is no module's output, or that head reads more."""
    shared: tuple[str, ...] = ()
    """Modules of the base model that only heads read, those of all layers. Those that a
    configuration leaves out are skipped."""
    between_layers: str | None = None
    """Module of the base model that reads hidden states between layers, where a configuration has
    one."""
    attention_norm: str | None = None
    """A norm that only the attention reads (pre-norm architectures)."""
    ffn_norm: str | None = None
    """A norm that only the FFN reads (pre-norm architectures)."""
    longest_input: Callable[[PreTrainedConfig], int | None] = every_position
    """How many tokens a configuration has positions for; None where they are relative only."""
    padding_index: Callable[[PreTrainedConfig], int | None] = any_padding
    """The padding token's index, which the tokenizer must share where positions skip it."""


BERT = Family(
    layers="encoder.layer",
    attention="attention.self",
    by_head=("attention.self.query", "attention.self.key", "attention.self.value"),
    output="attention.output.dense",
    ffn_first="intermediate.dense",
    ffn_last="output.dense",
    fresh=("bert.pooler.dense", "classifier"),
    attention_half="attention",
)
ELECTRA = replace(BERT, fresh=("classifier.dense", "classifier.out_proj"))
ROBERTA = replace(ELECTRA, longest_input=behind_padding, padding_index=own_padding)
DEBERTA_V2 = replace(
    BERT,
    by_head=tuple(
        f"attention.self.{name}_proj" for name in ("query", "key", "value", "pos_key", "pos_query")
    ),
    fresh=("pooler.dense", "classifier"),
    head_count="num_attention_heads",
    shared=("encoder.rel_embeddings", "encoder.LayerNorm"),
    between_layers="encoder.conv",
    longest_input=only_if_absolute,
)
DISTILBERT = Family(
    layers="transformer.layer",
    attention="attention",
    by_head=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    output="attention.out_lin",
    ffn_first="ffn.lin1",
    ffn_last="ffn.lin2",
    fresh=("pre_classifier", "classifier"),
    after_context=("out_lin",),
    attention_half="sa_layer_norm",
)
MPNET = replace(
    BERT,
    attention="attention.attn",
    by_head=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
    output="attention.attn.o",
    fresh=("classifier.dense", "classifier.out_proj"),
    after_context=("o",),
    context_width="all_head_size",
    position_bias="position_bias",
    shared=("encoder.relative_attention_bias",),
    longest_input=behind_one,
    padding_index=one,
)
MODERNBERT = Family(
    layers="layers",
    attention="attn",
    by_head=("attn.Wqkv",),
    output="attn.Wo",
    ffn_first="mlp.Wi",
    ffn_last="mlp.Wo",
    fresh=("head.dense", "head.norm", "classifier"),
    fresh_tagger=("head.dense", "head.norm", "classifier"),
    after_context=("Wo", "out_drop"),
    attention_norm="attn_norm",
    ffn_norm="mlp_norm",
)

FAMILIES = {
    "bert": BERT,
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
    "camembert": ROBERTA,
    "electra": ELECTRA,
    "distilbert": DISTILBERT,
    "mpnet": MPNET,
    "deberta-v2": DEBERTA_V2,
    "modernbert": MODERNBERT,
}
"""By the ``model_type`` of the configuration; DeBERTa-v3 is a ``deberta-v2``."""


def family_of(config: PreTrainedConfig) -> Family:
    """The layout of a configuration's architecture.

    Raises:
        InputError: the architecture is not among ``FAMILIES``.
    """
    check_supported(config.model_type)
    return FAMILIES[config.model_type]


def check_supported(model_type: object) -> None:
    """Refuse an architecture that is not among ``FAMILIES``.

    Raises:
        InputError: names it and those that are.
    """
    if model_type not in [*FAMILIES]:
        raise InputError(
            f"model_type={model_type!r} in the model's config.json is not supported; "
            f"use a model of one of: {', '.join(sorted(FAMILIES))}"
        )


def encoder_layers(model: PreTrainedModel) -> list[nn.Module]:
    """The L encoder layers, first to last."""
    return list(model.base_model.get_submodule(family_of(model.config).layers))


def linear_at(layer: nn.Module, path: str) -> nn.Linear:
    """The linear map at a path of ``Family``."""
    return cast("nn.Linear", layer.get_submodule(path))


def head_linears(layer: nn.Module, family: Family) -> list[nn.Linear]:
    """The linears of a layer whose output rows belong to heads."""
    modules = dict(layer.named_modules())
    return [cast("nn.Linear", modules[path]) for path in family.by_head if path in modules]


def shared_modules(model: PreTrainedModel) -> list[nn.Module]:
    """The modules that only heads read, those of all layers."""
    modules = dict(model.base_model.named_modules())
    return [modules[path] for path in family_of(model.config).shared if path in modules]


def unit_shape(model: PreTrainedModel) -> tuple[int, int]:
    """(L, H) of the unpruned network, also where ``model`` has been pruned."""
    return model.config.num_hidden_layers, model.config.num_attention_heads


def head_width(model: PreTrainedModel) -> int:
    """Features of one head's context slice."""
    return int(model.config.hidden_size // model.config.num_attention_heads)


def unit_parameters(model: PreTrainedModel) -> UnitParameters:
    """Count the parameters that pruning removes.

    A head is its rows of the query, key and value projections (position projections included)
    with their biases, and its columns of W_O, whose bias stays; not its part of a position bias
    that all layers share, since other layers' heads still read it. An FFN block is all its weights
    and biases, and the norm that only it reads, if there is one.

    Raises:
        InputError: the model is already pruned.
    """
    require_dense(model.config)
    family, layers = family_of(model.config), encoder_layers(model)
    paths = [family.ffn_first, family.ffn_last, *filter(None, [family.ffn_norm])]
    in_heads = sum(map(_size, head_linears(layers[0], family)))
    in_heads += linear_at(layers[0], family.output).weight.numel()
    return UnitParameters(
        head=in_heads // unit_shape(model)[1],
        ffn=sum(_size(layers[0].get_submodule(path)) for path in paths),
        encoder=sum(map(_size, layers)),
    )


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
