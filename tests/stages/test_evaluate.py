"""Predictions and accuracies, alone and in two processes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

from doge_ray.domains.rows import EncodedSplit
from doge_ray.engine.work.evaluation import target_metrics
from doge_ray.stages import evaluate
from doge_ray.stages.evaluate import domain_metrics, mean_over_domains, predict
from doge_ray.stages.world import World
from doge_ray.tickets.counts import Counts, right_or_wrong
from tests.encoders.networks import VARIANTS, VOCABULARY, tiny
from tests.stages.corpora import TARGETS, random_corpus, random_split
from tests.stages.processes import Together

ALONE = World(0, 1, torch.device("cpu"))


def network(variant: str) -> PreTrainedModel:
    """One that does not always say the same."""
    return tiny(variant, seed=4)


def predicted(world: World, variant: str, split: EncodedSplit) -> Any:
    return predict(network(variant), split, world, "fp32")


@pytest.mark.parametrize("variant", VARIANTS)
def test_predictions_depend_on_the_row_alone(
    variant: str, pair: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, model = random_split(150), network(variant)
    expected_N = np.empty(len(split), np.int64)
    with torch.no_grad():
        for row, (start, length) in enumerate(zip(split.starts_N, split.lengths_N, strict=True)):
            ids_T = torch.from_numpy(split.tokens["input_ids"][start : start + length]).long()
            expected_N[row] = model(input_ids=ids_T[None]).logits.argmax()
    assert len(np.unique(expected_N)) > 1
    for predictions_N in [predicted(ALONE, variant, split), *pair.run(predicted, variant, split)]:
        np.testing.assert_array_equal(predictions_N, expected_N)
    monkeypatch.setattr(evaluate, "FORWARD_BATCH", 7)
    np.testing.assert_array_equal(predicted(ALONE, variant, split), expected_N)


def test_fewer_rows_than_processes(pair: Together) -> None:
    split = random_split(1)
    expected_N = predicted(ALONE, "bert", split)
    for predictions_N in pair.run(predicted, "bert", split):
        np.testing.assert_array_equal(predictions_N, expected_N)


def failed(world: World, split: EncodedSplit, token: int) -> str:
    """What a prediction ends with where one token's embedding is no number."""
    model = network("bert")
    with torch.no_grad():
        model.get_input_embeddings().weight[token] = torch.inf
    with pytest.raises(FloatingPointError) as ended:
        predict(model, split, world, "fp32")
    return str(ended.value)


def test_all_processes_know_of_a_prediction_that_is_no_number(pair: Together) -> None:
    split, token = random_split(100), VOCABULARY - 1
    ids = np.where(split.tokens["input_ids"] == token, token - 1, split.tokens["input_ids"])
    ids[split.starts_N[split.lengths_N.argmin()]] = token  # in the last batch, so of one process
    told = pair.run(failed, replace(split, tokens={"input_ids": ids}), token)
    assert [text.partition(";")[0] for text in told] == ["a prediction is no number"] * 2


def test_dropout_is_off() -> None:
    split, model = random_split(60), network("bert").train()
    first_N = predict(model, split, ALONE, "fp32")
    np.testing.assert_array_equal(predict(model.train(), split, ALONE, "fp32"), first_N)


def test_every_domain_counts_the_same() -> None:
    predictions_N, labels_N = np.array([0, 1, 2, 2, 1]), np.array([0, 1, 1, 2, 0])
    counts_N = right_or_wrong(predictions_N == labels_N)
    accuracies = domain_metrics(counts_N, np.array([0, 0, 0, 0, 1]), ["a", "b"])
    assert accuracies == {"a": 0.75, "b": 0.0}
    assert mean_over_domains(accuracies) == 0.375


def test_duplicates_are_left_out_of_the_second_metric() -> None:
    data = random_corpus(10)
    first_N = np.unique(data.test.domains_N, return_index=True)[1]
    flags_N = np.zeros(len(data.test), bool)
    flags_N[first_N[:2]] = True
    data = replace(data, test=replace(data.test, duplicated_N=flags_N))
    # Right on the duplicates only, except in the last domain, which has none.
    right_N = flags_N | (data.test.domains_N == 2)
    metrics = target_metrics(data, np.where(right_N, data.test.labels_N, -1))
    counts_D = np.bincount(data.test.domains_N)
    assert metrics["target"] == dict(zip(TARGETS, [*(1 / counts_D[:2]), 1.0], strict=True))
    assert metrics["target_deduplicated"] == dict(zip(TARGETS, [0.0, 0.0, 1.0], strict=True))
    assert metrics["target_metric"] == pytest.approx(np.mean([*(1 / counts_D[:2]), 1.0]))
    assert metrics["target_metric_deduplicated"] == pytest.approx(1 / 3)


def test_a_domain_with_nothing_to_find_has_no_metric() -> None:
    counts_N = Counts(*np.array([[1, 0, 0], [1, 1, 0], [2, 0, 0]]))
    metrics = domain_metrics(counts_N, np.array([0, 1, 1]), ["a", "b"])
    assert metrics == {"a": pytest.approx(2 / 3)}
