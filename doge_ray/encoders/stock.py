"""Loading by transformers itself: without its noise, and with missing weights as an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers.utils import logging

from doge_ray.config.data import Task
from doge_ray.encoders.finite import not_finite
from doge_ray.encoders.locate import EXPECTED
from doge_ray.encoders.sizes import check_counts, check_size
from doge_ray.errors import InputError

_BUFFERS = ("position_ids", "token_type_ids", "inv_freq")
"""What older versions saved beside the weights, and newer ones compute."""

HEADS: dict[Task, type[Any]] = {
    "classification": AutoModelForSequenceClassification,
    "tagging": AutoModelForTokenClassification,
}


def task_of(config: PreTrainedConfig) -> Task:
    """What the head of a saved model is for, by the class that its configuration names."""
    names = config.architectures or ()
    tagger = any(name.endswith("ForTokenClassification") for name in names)
    return "tagging" if tagger else "classification"


def read_config(folder: Path) -> PreTrainedConfig:
    """The configuration of a model folder.

    Raises:
        InputError: config.json is missing or is not the configuration of a known model.
    """
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} has no config.json: {EXPECTED}")
    check_counts(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        task_of(config)
    # What transformers raises where a value is odd depends on the architecture.
    except Exception as error:
        raise InputError(f"{folder / 'config.json'} cannot be read: {error}") from error
    # Chunks spare memory and change no result, but a gate must see an FFN's whole output at once.
    config.chunk_size_feed_forward = 0
    # Layers that are computed again in the backward pass would meet no hooks there.
    vars(config).pop("gradient_checkpointing", None)
    return config


def load_stock(
    folder: Path, config: PreTrainedConfig, task: Task, may_miss: tuple[str, ...]
) -> PreTrainedModel:
    """A classifier of texts or of tokens in float32 and eval mode, as transformers loads it.

    The global random state is as it was afterwards.

    Args:
        folder: an unpruned model's folder.
        config: its configuration, possibly changed.
        task: which stock head it gets.
        may_miss: modules whose weights need not be there.

    Raises:
        InputError: other weights are missing, have other shapes, are not finite, or cannot be
            read.
    """
    check_size(folder, described(folder, config, task), removed=0)
    with _quiet(), torch.random.fork_rng(devices=[]):
        try:
            model, report = HEADS[task].from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,  # pickled ones may lie beside them under their usual name
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # reported below, with what else is wrong
            )
        except Exception as error:  # see read_config
            raise InputError(f"the weights in {folder} cannot be loaded: {error}") from error
    wrong = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    wrong = {name for name in wrong if name.rpartition(".")[0] not in may_miss}
    if wrong:
        raise InputError(
            f"{folder} lacks weights that {config.model_type} needs, or has them in other shapes: "
            f"{', '.join(sorted(wrong)[:5])} ({len(wrong)} in all); "
            "use a complete checkpoint, one that matches its config.json"
        )
    _check_unused(folder, model, report["unexpected_keys"])
    if bad := not_finite(model.state_dict()):
        raise InputError(
            f"{folder}: its weights {bad} are not finite, as after a training that diverged; use "
            "another checkpoint"
        )
    for parameter in model.parameters():
        # a file's tensors are not aligned in memory, and kernels round by alignment: without a
        # copy, the same weights would give other last bits after saving and loading
        parameter.data = parameter.data.clone()
    return model


def _check_unused(folder: Path, model: PreTrainedModel, names: Iterable[str]) -> None:
    """Refuse weights that stand in the encoder's place and are none of its own.

    A pretraining's head is left aside.

    Raises:
        InputError: names some of them.
    """
    prefix = model.base_model_prefix
    parts = {prefix, *(f"{prefix}.{name}" for name, _ in model.base_model.named_children())}
    parts |= {name for name, _ in model.base_model.named_children()} - {"pooler"}
    unused = sorted(
        name
        for name in names
        if name.rpartition(".")[2] not in _BUFFERS
        and any(name.startswith(f"{p}.") for p in parts)
        and not name.startswith((f"{prefix}.pooler.", "pooler."))
    )
    if unused:
        raise InputError(
            f"{folder} holds weights that {model.config.model_type} has no place for: "
            f"{', '.join(unused[:5])} ({len(unused)} in all); the network in its config.json is "
            "another than the one they were trained in, or adapters in it are not merged"
        )


def described(folder: Path, config: PreTrainedConfig, task: Task) -> PreTrainedModel:
    """The network of a configuration, shapes only: it takes no memory, wrong as they may be.

    Raises:
        InputError: there is no such network.
    """
    try:
        with torch.device("meta"):
            return HEADS[task].from_config(config)
    except Exception as error:  # see read_config
        raise InputError(
            f"{folder / 'config.json'} describes no network that can be built ({error})"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bars, and no warning about weights that are drawn afresh on purpose."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
