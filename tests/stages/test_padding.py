"""Padding changes nothing: a batch gives what its rows give alone, without any, in every family.

So does one of which padding, or what nothing reads, is left out. Scores are compared so in
``tests/encoders/test_gates.py``, and without what nothing reads in ``test_score.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from doge_ray.config import Task
from doge_ray.domains.batches import ordered_batches
from doge_ray.domains.rows import EncodedRows
from doge_ray.encoders.families import BERT, encoder_layers, family_of, linear_at
from doge_ray.objectives import OBJECTIVES, make_objective
from doge_ray.stages.gradients import MicroBatch, Output, add_mean_gradient
from doge_ray.stages.losses import example_losses
from doge_ray.stages.passes import Batch, batch_of, pass_over, without_padding, without_unread
from doge_ray.stages.train import train
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from tests.encoders.networks import NUM_LAYERS, VARIANTS, tiny
from tests.stages.corpora import MAX_LENGTH, random_corpus, random_split
from tests.stages.tagged import random_tagged_corpus, random_tagged_split
from tests.stages.trainings import Forgetful, network, pruned_masks, recipe

ALONE = World(0, 1, torch.device("cpu"))
CORPORA = {"classification": random_corpus, "tagging": random_tagged_corpus}
SPLITS: dict[Task, EncodedRows] = {
    "classification": random_split(12),
    "tagging": random_tagged_split(12),
}
Way = Callable[[PreTrainedModel, Batch], AbstractContextManager[None]]
WAYS: dict[str, Way] = {
    "padded": lambda *_: nullcontext(),
    "without unread": without_unread,
    "without padding": without_padding,
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
OTHER_WAYS = pytest.mark.parametrize("way", [without_unread, without_padding])


def cut_to_its_length(split: EncodedRows, row: int) -> tuple[dict[str, Tensor], Tensor]:
    """What the network reads of one row, as it would be packed: its own tokens and nothing else."""
    length = int(split.lengths_N[row])
    batch = split.batch(np.array([row]))
    inputs = {name: tensor[..., :length] for name, tensor in batch.items() if name != "labels"}
    labels = batch["labels"] if split.task == "classification" else batch["labels"][:, :length]
    assert bool(inputs.pop("attention_mask").all())
    return inputs, labels


def gradients(model: PreTrainedModel) -> dict[str, Tensor]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found


def logits_of(model: PreTrainedModel, batch: Batch, way: Way) -> Tensor:
    with way(model, batch):
        logits: Tensor = model(**batch.inputs).logits
    return logits


def all_gradients(model: PreTrainedModel, split: EncodedRows, way: Way) -> dict[str, Tensor]:
    """Of the mean loss of all rows, as training takes them."""

    def forward(rows: np.ndarray, _: bool) -> Output:
        batch = batch_of(split, rows, ALONE.device)
        logits = logits_of(model, batch, way)
        nothing = logits.new_empty(len(logits), 0)
        return Output(logits, batch.labels, torch.zeros(len(rows), dtype=torch.long), nothing)

    everything = MicroBatch(np.arange(len(split)), 1.0)
    add_mean_gradient(forward, [everything], ALONE, len(split))
    return gradients(model)


@EVERY_WAY
@pytest.mark.parametrize("task", ["classification", "tagging"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_of_a_training_step_and_of_a_prediction(variant: str, task: Task, way: Way) -> None:
    split, model = SPLITS[task], tiny(variant, task=task)
    found = all_gradients(model, split, way)
    everything = batch_of(split, np.arange(len(split)), ALONE.device)
    assert everything.mask_BT is not None
    together = logits_of(model, everything, way)
    for row in range(len(split)):
        inputs, labels = cut_to_its_length(split, row)
        logits = model(**inputs).logits
        width = () if task == "classification" else (slice(logits.shape[1]),)
        torch.testing.assert_close(together[row][width], logits[0], rtol=1e-4, atol=1e-5)
        (example_losses(logits, labels).sum() / len(split)).backward()
    alone = gradients(model)
    assert found.keys() == alone.keys()
    largest = max(float(gradient.abs().max()) for gradient in alone.values())
    for name, gradient in alone.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-4, atol=1e-5 * largest)


@OTHER_WAYS
@pytest.mark.parametrize("variant", VARIANTS)
def test_of_a_pruned_network(variant: str, way: Way) -> None:
    split, model = SPLITS["classification"], network(variant, pruned_masks())
    batch = batch_of(split, np.arange(len(split)), ALONE.device)
    padded = model(**batch.inputs).logits
    torch.testing.assert_close(logits_of(model, batch, way), padded, rtol=1e-4, atol=1e-5)


@OTHER_WAYS
@pytest.mark.parametrize("variant", VARIANTS)
def test_of_a_single_layer(variant: str, way: Way) -> None:
    """That of DeBERTa may have a convolution behind it, which reads every token."""
    split, model = SPLITS["classification"], tiny(variant)
    del model.base_model.get_submodule(family_of(model.config).layers)[1:]
    batch = batch_of(split, np.arange(len(split)), ALONE.device)
    padded = model(**batch.inputs).logits
    torch.testing.assert_close(logits_of(model, batch, way), padded, rtol=1e-4, atol=1e-5)


@EVERY_WAY
@pytest.mark.parametrize("task", ["classification", "tagging"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_what_an_ffn_computes(variant: str, task: Task, way: Way) -> None:
    """And afterwards it computes everything, as before."""
    split, model = SPLITS[task], tiny(variant, task=task)
    batch, family, seen = batch_of(split, np.arange(12), ALONE.device), family_of(model.config), []
    for layer in encoder_layers(model):
        for path in (family.ffn_first, family.ffn_last):
            linear_at(layer, path).register_forward_pre_hook(
                lambda _, args: seen.append(args[0].shape[:-1].numel())
            )
    grid, tokens = batch.inputs["input_ids"].numel(), int(split.lengths_N.sum())
    assert tokens < grid
    every = tokens if way is without_padding else grid
    can_go_on_alone = task == "classification" and "modernbert" not in variant
    last = 12 if can_go_on_alone and way is not WAYS["padded"] else every
    for each, expected in ((way, [every, every, last]), (WAYS["padded"], [grid] * NUM_LAYERS)):
        seen.clear()
        logits_of(model, batch, each)
        assert seen == [count for count in expected for _ in range(2)]


@pytest.mark.parametrize("task", ["classification", "tagging"])
def test_a_training_without_padding_is_the_same_training(task: Task) -> None:
    """Where nothing is dropped: dropout draws for real tokens only, so it draws others."""
    data = CORPORA[task](40)
    trained = []
    for padding_free in (False, True):
        model = network("bert", task=task)
        settings = recipe(max_epochs=2, padding_free=padding_free, micro_batch_size=3)
        history = train(model, data, settings, ALONE, Forgetful())
        trained.append([(record["loss"], record["dev_metric"]) for record in history])
    assert trained[1] == [pytest.approx(epoch, rel=1e-4) for epoch in trained[0]]


@pytest.mark.parametrize("name", [None, *OBJECTIVES])
@pytest.mark.parametrize("padding_free", [False, True])
def test_a_step_computes_what_it_is_told_to(padding_free: bool, name: str | None) -> None:
    """Otherwise a training pads to a multiple of 8 on every device: its dropout hangs on that."""
    objective = name and make_objective(name, {"strength": 0.5, "anneal": 0.5})
    settings = recipe(padding_free=padding_free, objective=objective or None)
    training, seen = Training(tiny("bert"), random_corpus(24), settings, ALONE), []
    first = linear_at(encoder_layers(training.model)[0], BERT.ffn_first)
    first.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[:-1].numel()))
    for rows in training.batches(1):
        training.step(rows)
        lengths_B = training.data.train.lengths_N[rows]
        width = min(-(-int(lengths_B.max()) // 8) * 8, MAX_LENGTH)
        assert seen.pop() == (lengths_B.sum() if padding_free else len(rows) * width)
    assert seen == []


def test_a_pass_pads_to_the_longest_row() -> None:
    split, widths = random_split(30), []
    pass_over(split, 4, ALONE, lambda batch: widths.append(batch.inputs["input_ids"].shape[1]))
    assert widths == [split.lengths_N[rows].max() for rows in ordered_batches(split.lengths_N, 4)]
    assert any(width % 8 for width in widths)
