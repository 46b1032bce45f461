"""The network at θ0: pretrained encoder, freshly drawn head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from transformers import GenerationConfig

from doge_ray.config.data import Task
from doge_ray.encoders.families import family_of
from doge_ray.encoders.masks import require_dense
from doge_ray.encoders.stock import load_stock, read_config
from doge_ray.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

# What programs that serve a model read from its configuration, and where they look for its code.
_ONE_TASK = ("auto_map", "finetuning_task", "function_to_apply", "task_specific_params")


def initial_model(
    folder: Path,
    label_names: Sequence[str],
    seed: int,
    dropout: float | None = None,
    task: Task = "classification",
) -> PreTrainedModel:
    """The network at θ0: the stock classifier with a new classification head (section 4.2).

    The head's weights are drawn from N(0, initializer_range²), its biases are zero; the global
    random state is neither read nor changed.

    Args:
        folder: from ``find_model``.
        label_names: names of the classes, in the order of their indices.
        seed: decides the head, alone.
        dropout: the rate of every dropout of the network; None: as the folder says.
        task: whether texts get a class, or tokens a tag.

    Returns:
        A float32 model in eval mode.

    Raises:
        InputError: an unsupported architecture, a decoder, a pruned model's folder, or weights
            that are missing or not finite.
    """
    config = read_config(folder)
    family = family_of(config)
    require_dense(config)
    if getattr(config, "is_decoder", False):
        raise InputError(
            f"{folder / 'config.json'}: is_decoder is true, so a token would not see those after "
            "it; use an encoder, or set it to false where the model was pretrained as one"
        )
    _give_task(config, label_names, task)
    if dropout is not None:
        _set_dropout(config, dropout)
    fresh = family.fresh if task == "classification" else family.fresh_tagger
    model = load_stock(folder, config, task, may_miss=fresh)
    _draw_head(model, fresh, seed)
    return model


def _give_task(config: PreTrainedConfig, label_names: Sequence[str], task: Task) -> None:
    """Make the configuration the new head's: what it says of a task of the base's own goes."""
    own = {field.name for field in fields(config)}
    for name in (vars(config).keys() - own) & {*_ONE_TASK, *vars(GenerationConfig())}:
        delattr(config, name)
    config.id2label = dict(enumerate(label_names))
    config.label2id = {label: index for index, label in enumerate(label_names)}
    config.problem_type = "single_label_classification" if task == "classification" else None
    config.return_dict = True


def _set_dropout(config: PreTrainedConfig, rate: float) -> None:
    for field in config.to_dict():
        if "dropout" in field:
            setattr(config, field, rate)


def _draw_head(model: PreTrainedModel, fresh: Sequence[str], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name in fresh:
        module = model.get_submodule(name)
        if not isinstance(module, nn.Linear):
            module.reset_parameters()  # a norm: ones and zeros
            continue
        with torch.no_grad():
            module.weight.normal_(0, model.config.initializer_range, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
