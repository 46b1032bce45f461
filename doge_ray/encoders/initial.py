"""From a model's name to the network at θ0: pretrained encoder, freshly drawn head."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from torch import nn

from doge_ray.encoders.families import Family, family_of
from doge_ray.encoders.masks import require_dense
from doge_ray.encoders.stock import load_stock, read_config, require_weights
from doge_ray.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

CONFIG_AND_WEIGHTS = ("config.json", "*.safetensors", "*.safetensors.index.json")
TOKENIZER = (
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "*.model",
)
"""File names at the top of a model folder that decide what the model computes."""


def find_model(name: str) -> Path:
    """The local folder of a model.

    Args:
        name: ``package:NAME/FOLDER`` for a folder inside an installed package, a local folder, or
            the name of a model on the Hugging Face hub, which is fetched into the hub's cache.

    Raises:
        InputError: there is no such package, folder or hub model, the hub cannot be reached, or
            the folder holds no configuration or no safetensors weights.
    """
    if name.startswith("package:"):
        folder = _in_package(name)
    elif Path(name).expanduser().is_dir():
        folder = Path(name).expanduser().resolve()
    else:
        folder = _from_hub(name)
    read_config(folder)
    require_weights(folder)
    return folder


def fingerprint(folder: Path) -> str:
    """A SHA-256 over the configuration, weights and tokenizer files of a model folder.

    Renaming or touching the folder, or changing its other files, does not change it.
    """
    files = {file for pattern in (*CONFIG_AND_WEIGHTS, *TOKENIZER) for file in folder.glob(pattern)}
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        with file.open("rb") as content:
            digest.update(file.name.encode())
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()


def initial_model(
    folder: Path, label_names: Sequence[str], seed: int, dropout: float | None = None
) -> PreTrainedModel:
    """The network at θ0: the stock classifier with a new classification head (section 4.2).

    The head's weights are drawn from N(0, initializer_range²), its biases are zero; the global
    random state is neither read nor changed.

    Args:
        folder: from ``find_model``.
        label_names: names of the classes, in the order of their indices.
        seed: decides the head, alone.
        dropout: the rate of every dropout of the network; None: as the folder says.

    Returns:
        A float32 model in eval mode.

    Raises:
        InputError: an unsupported architecture, a pruned model's folder, or missing weights.
    """
    config = read_config(folder)
    family = family_of(config)
    require_dense(config)
    config.id2label = dict(enumerate(label_names))
    config.label2id = {label: index for index, label in enumerate(label_names)}
    if dropout is not None:
        _set_dropout(config, dropout)
    model = load_stock(folder, config, may_miss=family.fresh)
    _draw_head(model, family, seed)
    return model


def _in_package(name: str) -> Path:
    package, _, inside = name.removeprefix("package:").partition("/")
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            f"model={name!r}: the package {package!r} is not installed; "
            f"pip install {package.replace('_', '-')}, or name another model"
        )
    folder = Path(spec.submodule_search_locations[0]) / inside
    if not folder.is_dir():
        raise InputError(f"model={name!r}: the package {package!r} has no folder {inside!r}")
    return folder


def _from_hub(name: str) -> Path:
    try:
        folder = snapshot_download(
            name,
            allow_patterns=[*CONFIG_AND_WEIGHTS, *TOKENIZER],
            ignore_patterns=["*/*"],  # copies for other runtimes
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise InputError(
            f"model={name!r} is no local folder, and the Hugging Face hub did not give it: "
            f"{str(error).splitlines()[0]} Check the name and the network, or download the model "
            "and name its folder"
        ) from error
    return Path(folder)


def _set_dropout(config: PreTrainedConfig, rate: float) -> None:
    for field in config.to_dict():
        if "dropout" in field:
            setattr(config, field, rate)


def _draw_head(model: PreTrainedModel, family: Family, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for name in family.fresh:
        module = model.get_submodule(name)
        if not isinstance(module, nn.Linear):
            module.reset_parameters()  # a norm: ones and zeros
            continue
        with torch.no_grad():
            module.weight.normal_(0, model.config.initializer_range, generator=generator)
            if module.bias is not None:
                module.bias.zero_()
