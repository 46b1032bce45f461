"""Whether a device computes what the definitions say, in every family."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import numpy as np
import torch
from transformers import PreTrainedModel

from benchmarks.device.figure import Figure
from doge_ray.encoders.gates import GateGradients, gated
from doge_ray.encoders.surgery import prune
from doge_ray.stages.losses import example_losses
from doge_ray.stages.passes import Batch, without_padding
from doge_ray.stages.train import train
from doge_ray.stages.world import World
from tests.encoders.networks import NUM_HEADS, NUM_LAYERS, VARIANTS, inputs, labels, tiny
from tests.stages.corpora import random_corpus
from tests.stages.trainings import Forgetful, network, pruned_masks, recipe

HOST = torch.device("cpu")
Inputs = dict[str, torch.Tensor]


def correctness(device: torch.device) -> Iterator[Figure]:
    """The largest errors over all families, as shares of the largest value."""
    looks = [
        ("scores, to autograd of each example alone in float64", scores, 1e-5),
        ("logits of pruned networks, to gated ones in float64", pruned, 1e-5),
        ("logits without padding, to those with it in float64", unpadded, 1e-5),
    ]
    if device.type != HOST.type:
        looks.append(("losses of a training, to the processor's", losses, 1e-4))
    for what, error, most in looks:
        found = {variant: error(variant, device) for variant in VARIANTS}
        worst = max(found, key=lambda variant: (math.isnan(found[variant]), found[variant]))
        told = f"{found[worst]:.1e} ({worst})"
        holds = all(each <= most for each in found.values())  # what is no number is not
        yield Figure(f"{what}, {len(found)} families", told, f"{most:g}", holds)


def scores(variant: str, device: torch.device) -> float:
    """The error of all gates' gradients, of a whole batch in one backward pass."""
    model, batch, labels_B = tiny(variant), inputs(8), labels(8)
    expected = _one_by_one(copy.deepcopy(model).double(), batch, labels_B)
    model.to(device)
    with GateGradients(model) as gates:
        logits = model(**_on(device, batch)).logits
        found = gates.sensitivities(example_losses(logits, labels_B.to(device)), "example")
    return float(np.max([_error(a, b) for a, b in zip(found, expected, strict=True)]))


def pruned(variant: str, device: torch.device) -> float:
    """The error of the logits of a network whose heads and blocks are gone."""
    head_mask, ffn_mask = pruned_masks()
    batch, dense, small = inputs(8), tiny(variant).double(), tiny(variant)
    gates = torch.from_numpy(head_mask).double(), torch.from_numpy(ffn_mask).double()
    with torch.no_grad(), gated(dense, *gates):
        expected = dense(**batch).logits
    prune(small, head_mask, ffn_mask)
    with torch.no_grad():
        return _error(small.to(device)(**_on(device, batch)).logits, expected)


def unpadded(variant: str, device: torch.device) -> float:
    """The error of the logits of a batch whose padding is left out."""
    batch, model = inputs(8), tiny(variant)
    with torch.no_grad():
        expected = copy.deepcopy(model).double()(**batch).logits
    whole = Batch(np.arange(8), _on(device, batch), labels(8).to(device), batch["attention_mask"])
    model.to(device)
    with torch.no_grad(), without_padding(model, whole):
        return _error(model(**whole.inputs).logits, expected)


def losses(variant: str, device: torch.device) -> float:
    """The error of the loss of each epoch of a pruned network, with padding and without."""
    data, found = random_corpus(24), []
    for place, padding_free in ((HOST, False), (device, False), (device, True)):
        model = network(variant, pruned_masks()).to(place)
        settings = recipe(max_epochs=2, padding_free=padding_free)
        history = train(model, data, settings, World(0, 1, place), Forgetful())
        found.append(torch.tensor([record["loss"] for record in history]))
    return max(_error(each, found[0]) for each in found[1:])


def _one_by_one(
    model: PreTrainedModel, batch: Inputs, labels_B: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    heads, ffns = [], []
    for row in range(len(labels_B)):
        kept = batch["attention_mask"][row].bool()
        gates = (
            torch.ones(NUM_LAYERS, NUM_HEADS, dtype=torch.double, requires_grad=True),
            torch.ones(NUM_LAYERS, dtype=torch.double, requires_grad=True),
        )
        with gated(model, *gates):
            logits = model(input_ids=batch["input_ids"][row][kept][None]).logits
        head, ffn = torch.autograd.grad(example_losses(logits, labels_B[row, None]).sum(), gates)
        heads.append(head.abs())
        ffns.append(ffn.abs())
    return torch.stack(heads), torch.stack(ffns)


def _on(device: torch.device, batch: Inputs) -> Inputs:
    return {name: tensor.to(device) for name, tensor in batch.items()}


def _error(found: torch.Tensor, expected: torch.Tensor) -> float:
    a, b = (np.asarray(each.detach().cpu().double()) for each in (found, expected))
    return float(np.abs(a - b).max() / np.abs(b).max())
