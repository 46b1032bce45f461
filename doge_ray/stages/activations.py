"""Which FFN neurons fire for which domain (paper, section 3.1, figures 1 and 6).

Shapes: B examples of a batch, T tokens, D domains, L layers, F neurons of a block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from doge_ray.domains.rows import EncodedRows
from doge_ray.encoders.families import encoder_layers, family_of, linear_at
from doge_ray.stages.passes import FORWARD_BATCH, Batch, domains_of, pass_over
from doge_ray.stages.world import World
from doge_ray.tickets.activations import THRESHOLD, ActiveCounts


@torch.inference_mode()
def count_active(
    model: PreTrainedModel, split: EncodedRows, domains: Sequence[str], world: World
) -> ActiveCounts:
    """Count the examples at whose first token a neuron's input to its nonlinearity exceeds -2.

    In eval mode and float32. The processes share the batches; counts are whole numbers, so how
    many take part does not matter.

    Args:
        model: a dense classifier.
        split: usually the training split of the source domains.
        domains: names, in the order of the split's domain indices.
        world: the processes that share the work.
    """
    model.eval()
    counts_D = torch.zeros(len(domains), dtype=torch.float64)
    active_DLF = torch.zeros(len(domains), *_neurons(model), dtype=torch.float64)

    def add(batch: Batch) -> None:
        first_B = _first_columns(batch)
        with _inputs_of_nonlinearities(model) as values_BTF:
            model(**batch.inputs)
        each_B = torch.arange(len(batch.rows), device=world.device)
        active_BLF = torch.stack([v[each_B, first_B] > THRESHOLD for v in values_BTF], dim=1)
        active_BLF = active_BLF.cpu().double()  # all that can fail comes before the first sum
        domains_B = domains_of(split, batch.rows)
        counts_D.index_add_(0, domains_B, torch.ones(len(batch.rows), dtype=torch.float64))
        active_DLF.index_add_(0, domains_B, active_BLF)

    pass_over(split, FORWARD_BATCH, world, add)
    return ActiveCounts(
        tuple(domains), world.sum(counts_D).cpu().numpy(), world.sum(active_DLF).cpu().numpy()
    )


def _first_columns(batch: Batch) -> Tensor:
    """Where each row's first token stands (B,): behind its padding, where that is on the left."""
    mask_BT = batch.inputs.get("attention_mask")
    if mask_BT is None:
        return torch.zeros(len(batch.rows), dtype=torch.long, device=batch.labels.device)
    return mask_BT.argmax(1)


def _neurons(model: PreTrainedModel) -> tuple[int, int]:
    layers, path = encoder_layers(model), family_of(model.config).ffn_last
    return len(layers), linear_at(layers[0], path).in_features


@contextmanager
def _inputs_of_nonlinearities(model: PreTrainedModel) -> Iterator[list[Tensor]]:
    """Per layer what enters the activation function (B, T, F), once the model has run."""
    values_BTF: list[Tensor] = []
    family, (_, num_neurons) = family_of(model.config), _neurons(model)

    def note(_: nn.Module, __: tuple[Tensor], output: Tensor) -> None:
        # A gated FFN has 2 F rows: the first half is activated, the second multiplies it.
        values_BTF.append(output[..., :num_neurons])

    with ExitStack() as hooks:
        for layer in encoder_layers(model):
            first = linear_at(layer, family.ffn_first)
            hooks.callback(first.register_forward_hook(note).remove)
        yield values_BTF
