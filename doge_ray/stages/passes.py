"""A pass over a split: its batches, shared by the processes, each in parts that fit into memory.

Shapes: B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from doge_ray.domains.batches import Rows, ordered_batches
from doge_ray.domains.rows import WIDTH_STEP, EncodedRows
from doge_ray.encoders.packing import first_token_alone, packed
from doge_ray.stages.memory import in_parts_that_fit
from doge_ray.stages.world import World

FORWARD_BATCH = 64
"""Rows of a batch where no gradient is asked for."""


class Batch(NamedTuple):
    """What the network reads of some rows, on the device that computes.

    ``inputs`` are (B, T), without a mask where nothing is padded; ``labels`` (B,) or for tags
    (B, T). ``mask_BT`` is the mask once more, on the host; None where nothing is padded.
    """

    rows: Rows
    inputs: dict[str, Tensor]
    labels: Tensor
    mask_BT: Tensor | None

    @property
    def is_of_texts(self) -> bool:
        """Whether each text has a label, and not each word."""
        return self.labels.ndim == 1


def batch_of(
    split: EncodedRows, rows: Rows, device: torch.device, multiple_of: int = WIDTH_STEP
) -> Batch:
    """Rows of a split, padded to one width and brought to a device.

    Args:
        split: the rows are of.
        rows: as indices.
        device: that computes.
        multiple_of: what the width is rounded up to.
    """
    tensors = split.batch(rows, multiple_of=multiple_of)
    if bool(tensors["attention_mask"].all()):
        del tensors["attention_mask"]
    inputs = {name: sent(tensor, device) for name, tensor in tensors.items()}
    labels = inputs.pop("labels")
    return Batch(rows, inputs, labels, tensors.get("attention_mask"))


def without_unread(model: PreTrainedModel, batch: Batch) -> AbstractContextManager[None]:
    """Has a pass over a batch leave out what the classifier does not read."""
    return first_token_alone(model) if batch.is_of_texts else nullcontext()


def without_padding(model: PreTrainedModel, batch: Batch) -> AbstractContextManager[None]:
    """The same, and padding too."""
    if batch.mask_BT is None:
        return without_unread(model, batch)
    device, (rows, width) = batch.labels.device, batch.mask_BT.shape
    places_P = batch.mask_BT.flatten().nonzero().squeeze(1)
    lengths_B = batch.mask_BT.sum(1)
    first_B = sent(lengths_B.cumsum(0) - lengths_B, device) if batch.is_of_texts else None
    return packed(model, sent(places_P, device), (rows, width), first_B)


def width_step(device: torch.device) -> int:
    """What a width is best a multiple of."""
    return 1 if device.type == "cpu" else WIDTH_STEP


def domains_of(split: EncodedRows, rows: Rows) -> Tensor:
    """The domain of each row (B,), on the host, where sums by domain are kept."""
    return torch.as_tensor(split.domains_N[rows], dtype=torch.long)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor of the host on its way to a device, which neither waits for the other meanwhile."""
    if device.type == "cuda":
        tensor = tensor.pin_memory()  # a copy from other memory waits for all that is computed
    return tensor.to(device, non_blocking=True)


def pass_over(
    split: EncodedRows, batch_size: int, world: World, work: Callable[[Batch], None]
) -> None:
    """Do work on every row of a split once, this process on its share of the batches.

    Args:
        split: its longest rows come first, so memory that runs out does so at once.
        batch_size: rows of a batch; fewer where they do not fit into memory.
        world: the processes that share the batches, and the device of this one.
        work: fails before it leaves anything behind, or not at all.

    Raises:
        torch.OutOfMemoryError, MemoryError, RuntimeError: a single row does not fit.
    """
    step = width_step(world.device)
    for rows in ordered_batches(split.lengths_N, batch_size)[world.rank :: world.size]:
        in_parts_that_fit(lambda part: work(batch_of(split, part, world.device, step)), rows)
