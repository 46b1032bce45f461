"""The training routine in one process."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from doge_ray.domains.encoded import Encoded
from doge_ray.domains.rows import EncodedSplit
from doge_ray.stages.counts import count
from doge_ray.stages.evaluate import domain_metrics, predict
from doge_ray.stages.recipe import steps_per_epoch
from doge_ray.stages.train import train
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from tests.encoders.networks import tiny
from tests.stages.corpora import misleading_corpus, random_corpus
from tests.stages.trainings import Folder, Forgetful, State, network, recipe, state_of

ALONE = World(0, 1, torch.device("cpu"))


class Watched(EncodedSplit):
    """Notes the rows of every batch."""

    def batch(self, rows: np.ndarray, **how: Any) -> dict[str, torch.Tensor]:
        self.seen.append(rows)  # type: ignore[attr-defined]
        return super().batch(rows, **how)


def watched(data: Encoded) -> tuple[Encoded, list[np.ndarray]]:
    split, seen = Watched(**vars(data.train)), []
    object.__setattr__(split, "seen", seen)
    return replace(data, train=split), seen


def same(one: State, other: State) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


def test_a_training_learns() -> None:
    history = train(tiny("bert"), random_corpus(60), recipe(max_epochs=6), ALONE, Forgetful())
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert max(record["dev_metric"] for record in history) > 0.8
    assert [record["epoch"] for record in history] == list(range(1, len(history) + 1))


@pytest.mark.parametrize("micro_batch_size", [None, 3])
def test_an_epoch_sees_every_row_once(micro_batch_size: int | None) -> None:
    data, seen = watched(random_corpus(21))
    training = Training(
        network(), data, recipe(micro_batch_size=micro_batch_size, max_epochs=2), ALONE
    )
    epochs = []
    for _ in range(2):
        training.train_epoch()
        epochs.append(np.concatenate(seen).tolist())
        seen.clear()
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(21))
    assert epochs[0] != epochs[1]


def test_the_best_epoch_remains_and_patience_ends_the_training() -> None:
    data, states = misleading_corpus(), []
    model = network()
    settings = recipe(max_epochs=20, patience=3, learning_rate=1e-3)
    history = train(
        model, data, settings, ALONE, Forgetful(), lambda _: states.append(state_of(model))
    )
    metrics = [record["dev_metric"] for record in history]
    best = metrics.index(max(metrics))
    assert len(history) == best + 1 + 3 < 20
    assert history[-1]["loss"] < history[best]["loss"]
    assert same(state_of(model), states[best])
    assert not same(state_of(model), states[-1])
    predictions_N = predict(model, data.dev, ALONE, "fp32")
    counts_N = count(data.dev, predictions_N, data.label_names)
    dev = domain_metrics(counts_N, data.dev.domains_N, data.source_domains)
    assert dev == history[best]["dev"]
    assert np.mean(list(history[best]["dev"].values())) == pytest.approx(metrics[best])


def test_of_equal_epochs_the_first_is_best() -> None:
    settings = recipe(max_epochs=9, patience=2, learning_rate=0.0)
    training = Training(network(), random_corpus(8), settings, ALONE)
    while not training.finished:
        training.train_epoch()
    assert len(training.history) == 3
    assert training.best_epoch == 1
    training.history[1]["dev_metric"] += 1e-15  # the same mean, when it is added otherwise
    assert training.best_epoch == 1


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path) -> None:
    folder = Folder(tmp_path / "snapshot")
    settings = recipe(learning_rate=1e38, warmup=0.0, max_epochs=2)
    with pytest.raises(FloatingPointError, match=r"the loss became (nan|inf) in epoch 1"):
        train(network(), random_corpus(24), settings, ALONE, folder)
    assert folder.latest() is None


def test_biases_and_norms_do_not_decay() -> None:
    start, ends = state_of(network()), {}
    for decay in (0.0, 0.5):
        settings = recipe(batch_size=16, warmup=0.0, weight_decay=decay)
        training = Training(network(), random_corpus(16), settings, ALONE)
        training.train_epoch()  # one step
        ends[decay] = state_of(training.model)
    for name, weight in start.items():
        decayed = 3e-3 * 0.5 * weight if weight.ndim > 1 else torch.zeros_like(weight)
        torch.testing.assert_close(ends[0.0][name] - ends[0.5][name], decayed, atol=1e-6, rtol=1e-3)
        assert weight.ndim > 1 or "bias" in name or "norm" in name.lower()


def test_the_rate_rises_for_a_tenth_of_all_steps_then_falls_to_zero() -> None:
    training = Training(network(), random_corpus(40), recipe(max_epochs=10, batch_size=10), ALONE)
    rates = []
    for _ in range(10 * steps_per_epoch(40, 10)):
        rates.append(training.optimizer.param_groups[0]["lr"])
        training.step(np.arange(2))
    assert rates.index(max(rates)) == 4
    assert max(rates) == 3e-3
    np.testing.assert_allclose(np.diff(rates[:5]), 3e-3 / 4)
    np.testing.assert_allclose(np.diff(rates[4:]), -3e-3 / 36)
    assert training.optimizer.param_groups[0]["lr"] == 0


def test_gradients_are_clipped() -> None:
    start = state_of(network())["classifier.weight"]
    moved = {}
    for clip in (1e-12, 1.0):
        training = Training(network(), random_corpus(8), recipe(warmup=0.0, clip=clip), ALONE)
        training.step(np.arange(8))
        moved[clip] = (training.model.classifier.weight - start).abs().max()
    # Adam forgives any scale but one near its epsilon.
    assert moved[1e-12] < 1e-2 * moved[1.0]


def test_dropout_is_on_in_every_epoch() -> None:
    losses = {}
    for model in (network(), tiny("bert")):
        training = Training(
            model, random_corpus(24), recipe(learning_rate=0.0, max_epochs=2), ALONE
        )
        training.train_epoch()
        training.train_epoch()  # after an evaluation
        losses[model.config.hidden_dropout_prob] = [record["loss"] for record in training.history]
    assert losses[0.0][0] == pytest.approx(losses[0.0][1])
    assert losses[0.1][0] != pytest.approx(losses[0.0][0], rel=1e-3)
    assert losses[0.1][1] != pytest.approx(losses[0.0][1], rel=1e-3)


@pytest.mark.parametrize("draw", [network, tiny], ids=["order", "order and dropout"])
def test_the_seed_decides_everything(draw: Callable[[str], PreTrainedModel]) -> None:
    data, settings = random_corpus(30), recipe(max_epochs=2)
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(states))  # what ran before in this process does not matter
        model = draw("bert")
        train(model, data, replace(settings, seed=seed), ALONE, Forgetful())
        states.append(state_of(model))
    assert same(states[0], states[1])
    assert not same(states[0], states[2])


def test_a_training_frees_what_the_one_before_it_left_in_a_warm_process() -> None:
    gc.disable()  # which may come too late: of a device's memory it knows nothing
    try:
        model = tiny("bert")
        weights = weakref.ref(next(model.parameters()))
        train(model, random_corpus(16), recipe(max_epochs=1), ALONE, Forgetful())
        del model
        train(tiny("bert"), random_corpus(16), recipe(max_epochs=1), ALONE, Forgetful())
        assert weights() is None
    finally:
        gc.enable()
