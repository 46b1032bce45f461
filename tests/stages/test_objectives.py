"""Objectives against their papers' equations. Shapes: B examples, C classes, D domains."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from doge_ray.objectives import OBJECTIVES, Objective, make_objective
from doge_ray.stages.minimiser import Minimiser
from doge_ray.stages.training import Training
from doge_ray.stages.world import World
from tests.encoders.networks import inputs, labels, tiny
from tests.stages.corpora import random_corpus
from tests.stages.trainings import network, recipe

ALONE = World(0, 1, torch.device("cpu"))
DOMAINS_B = torch.tensor([0, 1, 2, 0, 1, 0, 2, 2, 1, 0, 2, 1])
NUM_DOMAINS = 3
COUNTS_D = np.bincount(DOMAINS_B)


def material(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, labels and features of the examples."""
    generator = torch.Generator().manual_seed(seed)
    size = len(DOMAINS_B)
    logits = torch.randn(size, 4, generator=generator)
    return logits, torch.arange(size) % 4, torch.randn(size, 5, generator=generator)


def value(minimiser: Minimiser, seed: int = 0, progress: float = 0.9) -> float:
    logits, targets, features = material(seed)
    sums = minimiser.sums(logits, targets, DOMAINS_B, features)
    return float(minimiser.value(sums, COUNTS_D, progress).detach())


def risks(seed: int = 0) -> np.ndarray:
    logits, targets, _ = material(seed)
    losses = cross_entropy(logits, targets, reduction="none")
    return np.array([losses[d == DOMAINS_B].mean() for d in range(NUM_DOMAINS)])


def minimiser(name: str, strength: float = 2.0, anneal: float = 0.0) -> Minimiser:
    drawn = {"strength": strength, "anneal": anneal}
    return Minimiser(make_objective(name, drawn), NUM_DOMAINS)


def test_vrex_is_the_papers_equation() -> None:
    """Σ R + β Var, divided by the number of domains, with β = D · strength."""
    beta = 2.0 * NUM_DOMAINS
    expected = (risks().sum() + beta * risks().var()) / NUM_DOMAINS
    assert value(minimiser("vrex")) == pytest.approx(expected, rel=1e-6)


def test_group_dro_is_the_papers_algorithm() -> None:
    """q ← q · exp(η R), normalised; then Σ q R."""
    steps, eta, q = minimiser("group_dro", 0.7), 0.7, np.full(NUM_DOMAINS, 1 / NUM_DOMAINS)
    for seed in range(3):
        q = q * np.exp(eta * risks(seed))
        q /= q.sum()
        assert value(steps, seed) == pytest.approx((q * risks(seed)).sum(), rel=1e-6)


def test_coral_is_the_papers_equation() -> None:
    _, _, features = material()
    covariances = [np.cov(features[d == DOMAINS_B].numpy().T) for d in range(NUM_DOMAINS)]
    distances = [((a - b) ** 2).sum() / (4 * 5**2) for a, b in combinations(covariances, 2)]
    expected = risks().mean() + 2.0 * np.mean(distances)
    assert value(minimiser("coral")) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("progress", "weight"), [(0.0, 1.0), (0.49, 1.0), (0.5, 40.0)])
def test_irm_is_annealed_and_scaled(progress: float, weight: float) -> None:
    logits, targets, _ = material()
    penalties = [irm_penalty(logits[d == DOMAINS_B], targets[d == DOMAINS_B]) for d in range(3)]
    expected = (risks().mean() + weight * float(sum(penalties).detach()) / 3) / weight
    assert value(minimiser("irm", 40.0, 0.5), progress=progress) == pytest.approx(expected, 1e-6)


def irm_penalty(logits: Tensor, targets: Tensor) -> Tensor:
    """‖∇_w R(w · Φ)‖² at w = 1, as in the paper, by a scalar and a double backward pass."""
    w = torch.tensor(1.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(cross_entropy(logits * w, targets), w, create_graph=True)
    return gradient**2


def test_the_irm_gradient_of_a_network_equals_double_backward() -> None:
    model, batch, targets = tiny("bert"), inputs(12), labels(12)

    def gradients(loss: Tensor) -> Tensor:
        found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        return torch.cat([g.flatten() for g in found if g is not None])

    logits = model(**batch).logits
    parts = [(logits[d == DOMAINS_B], targets[d == DOMAINS_B]) for d in range(NUM_DOMAINS)]
    risk = torch.stack([cross_entropy(*part) for part in parts]).mean()
    penalty = torch.stack([irm_penalty(*part) for part in parts]).mean()
    expected = gradients((risk + 3.0 * penalty) / 3.0)

    logits, objective = model(**batch).logits, minimiser("irm", 3.0)
    sums = objective.sums(logits, targets, DOMAINS_B, logits)
    actual = gradients((objective.gradient(sums, COUNTS_D, 0.9) * sums).sum())
    assert float(irm_penalty(*parts[0]).detach()) > 1e-3
    assert (actual - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_sums_of_parts_are_the_sums_of_the_whole(name: str) -> None:
    logits, targets, features = material()
    objective = minimiser(name)
    whole = objective.sums(logits, targets, DOMAINS_B, features)
    parts = [slice(0, 1), slice(1, 6), slice(6, 12)]
    added = sum(objective.sums(logits[p], targets[p], DOMAINS_B[p], features[p]) for p in parts)
    torch.testing.assert_close(added, whole)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_learns_and_is_not_the_mean_loss(name: str) -> None:
    def trained(objective: Objective | None) -> tuple[list[float], Tensor]:
        model = network()
        settings = recipe(max_epochs=4, objective=objective)
        training = Training(model, random_corpus(60), settings, ALONE)
        for _ in range(4):
            training.train_epoch()
        return [record["loss"] for record in training.history], model.classifier.weight.detach()

    losses, weight = trained(make_objective(name, {"strength": 0.5}))
    assert losses[-1] < 0.7 * losses[0]
    assert not torch.allclose(weight, trained(None)[1], atol=1e-4)
