"""Entity counts against seqeval on words, and taggers through training and evaluation."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from seqeval.metrics import f1_score

from doge_ray.config import OntonotesData
from doge_ray.domains.corpus import load_corpus
from doge_ray.domains.encode import encode
from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.domains.labelled import Corpus, TaggedText
from doge_ray.domains.rows import EncodedRows, TaggedSplit
from doge_ray.encoders.tokenizer import load_tokenizer
from doge_ray.engine.work.evaluation import target_metrics, write_predictions
from doge_ray.stages import evaluate, watch
from doge_ray.stages.counts import count
from doge_ray.stages.evaluate import domain_metrics, predict
from doge_ray.stages.losses import example_losses, example_slopes
from doge_ray.stages.score import score
from doge_ray.stages.train import train
from doge_ray.stages.world import World
from tests.domains.conftest import SHARED
from tests.encoders.networks import NUM_LABELS, tiny
from tests.stages.processes import Together
from tests.stages.tagged import random_tagged_corpus
from tests.stages.trainings import Folder, Forgetful, recipe, state_of

ALONE = World(0, 1, torch.device("cpu"))
NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def words_of(split: TaggedSplit, tags_W: np.ndarray) -> list[list[str]]:
    names = np.array(NAMES, object)[tags_W]
    return [part.tolist() for part in np.split(names, split.sentences[1:-1])]


def read(split: EncodedRows, answers: np.ndarray) -> np.ndarray:
    """What a network gives back that answers so, but for words it does not read: they are O."""
    assert isinstance(split, TaggedSplit)
    asked = replace(split, tags_W=answers.astype(np.int32))
    predictions = np.full(len(answers), -1)
    for row in range(len(split)):
        rows = np.array([row])
        labels_BT = asked.batch(rows, pad_to=24)["labels"].numpy()
        split.assign(predictions, rows, labels_BT)
    return np.maximum(predictions, 0)


HARD = {
    "an entity across two windows": (
        ("a", "b", "c", "d", "e", "f", "g", "h"),
        (0, 0, 0, 1, 2, 2, 2, 0),
    ),
    "entities beyond the cut": (("a",) * 12, (1, 0, 3, 0, 0, 0, 0, 0, 1, 2, 0, 1)),
    "adjacent entities": (("a", "b", "c"), (1, 1, 3)),
    "an entity to the end": (("a", "b"), (0, 1)),
    "words of many tokens": (
        ("Wolfeschlegelsteinhausenbergerdorff", "x"),
        (1, 2),
    ),
    "no entity": (("a", "b"), (0, 0)),
}


@pytest.fixture(scope="module")
def tokenizer(minilm: Path) -> Any:
    return load_tokenizer(minilm)


@pytest.mark.parametrize("long_sentences", ["cut", "windows"])
def test_f1_is_seqevals_on_whole_sentences(
    tokenizer: Any, tmp_path: Path, long_sentences: str
) -> None:
    text = TaggedText(*zip(*HARD.values(), strict=True))
    corpus = Corpus(NAMES, {"s": text}, {"s": text}, {"t": text})
    encode(corpus, tokenizer, 8, tmp_path, long_sentences)
    split = open_encoded(tmp_path).test
    rng = np.random.default_rng(0)
    for _ in range(30):
        answers = np.where(rng.random(len(split.answers)) < 0.3, rng.integers(0, 5), split.answers)
        predictions = read(split, answers)
        if long_sentences == "windows":
            np.testing.assert_array_equal(predictions, answers)
        wanted, given = (words_of(split, tags) for tags in (split.answers, predictions))
        counts_M = count(split, predictions, NAMES)
        assert counts_M.metric == pytest.approx(f1_score(wanted, given))
        for m, pair in enumerate(zip(wanted, given, strict=True)):
            one = counts_M[[m]]
            if one.predicted.sum() + one.expected.sum():
                assert one.metric == pytest.approx(f1_score([pair[0]], [pair[1]]))
    whole = count(split, read(split, split.answers), NAMES)
    missed = (whole.expected - whole.matched).tolist()
    if long_sentences == "windows":
        assert missed == [0] * len(HARD)
    else:  # six tokens fit
        assert missed == [1, 2, 0, 0, 1, 0]


@pytest.mark.parametrize("long_sentences", ["cut", "windows"])
def test_crossner_gold_against_a_perturbed_copy(
    tokenizer: Any, tmp_path: Path, long_sentences: str
) -> None:
    root = SHARED / "crossner"
    if not root.is_dir():
        pytest.skip("../shared/datasets/crossner is not beside this checkout")
    domains = {"source_domains": ("politics",), "target_domains": ("ai", "literature")}
    config = OntonotesData(set="ontonotes", root=str(root), limit=150, **domains)
    corpus = load_corpus(config)
    encode(corpus, tokenizer, 32, tmp_path, long_sentences)
    data = open_encoded(tmp_path)
    split, rng = data.test, np.random.default_rng(1)
    noise = rng.integers(0, len(data.label_names), len(split.answers))
    predictions = read(split, np.where(rng.random(len(noise)) < 0.1, noise, split.answers))
    counts_M = count(split, predictions, data.label_names)
    names = np.array(data.label_names, object)
    ends = split.sentences[1:-1]
    for d, domain in enumerate(data.target_domains):
        rows = np.flatnonzero(split.examples.domains_M == d)
        wanted, given = (
            [part.tolist() for m, part in enumerate(np.split(names[tags], ends)) if m in set(rows)]
            for tags in (split.answers, predictions)
        )
        gold = [[data.label_names[tag] for tag in tags] for tags in corpus.test[domain].tags]
        assert wanted == gold
        metrics = domain_metrics(counts_M, split.examples.domains_M, data.target_domains)
        assert metrics[domain] == pytest.approx(f1_score(wanted, given))
        assert 0.2 < metrics[domain] < 0.95
    assert target_metrics(data, predictions)["target"] == metrics


def tagger(seed: int = 0) -> Any:
    return tiny("bert", seed=seed, task="tagging")


def predicted(world: World, split: EncodedRows) -> Any:
    return predict(tagger(4), split, world, "fp32")


def test_predictions_depend_on_the_row_alone(
    pair: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    split, model = random_tagged_corpus(60).test, tagger(4)
    expected_W = np.zeros(len(split.answers), np.int64)
    with torch.no_grad():
        for start, length in zip(split.starts_N, split.lengths_N, strict=True):
            ids_T = torch.from_numpy(split.tokens["input_ids"][start : start + length]).long()
            words_T = split.words[start : start + length]
            tags_T = model(input_ids=ids_T[None]).logits[0].argmax(-1).numpy()
            expected_W[words_T[words_T >= 0]] = tags_T[words_T >= 0]
    assert len(np.unique(expected_W)) > 1
    for predictions_W in [predicted(ALONE, split), *pair.run(predicted, split)]:
        np.testing.assert_array_equal(predictions_W, expected_W)
    monkeypatch.setattr(evaluate, "FORWARD_BATCH", 7)
    np.testing.assert_array_equal(predicted(ALONE, split), expected_W)


def scored(world: World, split: EncodedRows, batch_size: int) -> Any:
    return score(
        tagger(),
        split,
        ("books", "tools"),
        batch_size=batch_size,
        granularity="example",
        world=world,
    )


def test_scores_depend_on_neither_batches_nor_processes(pair: Together) -> None:
    split = random_tagged_corpus(40).train
    expected = scored(ALONE, split, 1)
    for moments in [scored(ALONE, split, 16), *pair.run(scored, split, 16)]:
        np.testing.assert_array_equal(moments.count_D, expected.count_D)
        for name in ("head_sum_DLH", "ffn_sum_DL", "head_sum_sq_DLH", "ffn_sum_sq_DL"):
            reference = getattr(expected, name)
            np.testing.assert_allclose(
                getattr(moments, name), reference, 1e-5, 1e-6 * reference.max(), err_msg=name
            )


def test_the_loss_of_a_sentence_is_the_mean_over_its_labelled_words() -> None:
    logits_BTC = torch.randn(3, 5, NUM_LABELS, generator=torch.Generator().manual_seed(0))
    labels_BT = torch.tensor([[-100, 1, -100, 0, 2], [-100] * 5, [2, -100, -100, -100, -100]])
    log_BTC = logits_BTC.log_softmax(-1)
    first = -(log_BTC[0, 1, 1] + log_BTC[0, 3, 0] + log_BTC[0, 4, 2]) / 3
    expected_B = torch.stack([first, torch.tensor(0.0), -log_BTC[2, 0, 2]])
    assert torch.allclose(example_losses(logits_BTC, labels_BT), expected_B)


def test_the_slope_of_a_sentence_is_that_of_its_loss() -> None:
    logits_BTC = torch.randn(2, 4, NUM_LABELS, generator=torch.Generator().manual_seed(0)).double()
    labels_BT = torch.tensor([[-100, 1, 0, -100], [2, -100, 1, 1]])
    step = 1e-5
    up, down = (example_losses(logits_BTC * (1 + s), labels_BT) for s in (step, -step))
    slopes_B = example_slopes(logits_BTC, labels_BT).double()
    assert torch.allclose(slopes_B, (up - down) / (2 * step), atol=1e-6)


def learned(world: World, data: Encoded, **settings: Any) -> Any:
    model = tagger().to(world.device)
    options = recipe(max_epochs=4, patience=4, **settings)
    return train(model, data, options, world, Forgetful()), state_of(model)


def test_a_tagger_learns_and_a_seed_repeats_it() -> None:
    data = random_tagged_corpus(96)
    history, state = learned(ALONE, data)
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert max(record["dev_metric"] for record in history) > history[0]["dev_metric"]
    assert set(history[0]["dev"]) == {"books", "tools"}
    _, again = learned(ALONE, data)
    assert all(torch.equal(state[name], again[name]) for name in state)


def test_a_training_that_was_cut_off_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "SHARE", math.inf)  # a snapshot after every epoch
    data, whole = random_tagged_corpus(32), tagger()
    settings = recipe(max_epochs=3, patience=3)
    history = train(whole, data, settings, ALONE, Forgetful())

    def stop(told: list[Any]) -> None:
        if len(told) == 2:
            raise KeyboardInterrupt

    snapshots = Folder(tmp_path / "snapshots")
    with pytest.raises(KeyboardInterrupt):
        train(tagger(), data, settings, ALONE, snapshots, stop)
    resumed = tagger(seed=9)
    again = train(resumed, data, settings, ALONE, snapshots)
    assert [r["loss"] for r in again] == [r["loss"] for r in history]
    expected = state_of(whole)
    assert all(torch.equal(w, expected[name]) for name, w in state_of(resumed).items())


def test_what_is_stored_of_an_evaluation(tmp_path: Path) -> None:
    data = random_tagged_corpus(20)
    predictions = read(data.test, np.roll(data.test.answers, 1))
    write_predictions(tmp_path, data, predictions)
    table = pq.read_table(tmp_path / "predictions.parquet").to_pydict()
    counts_M = count(data.test, predictions, data.label_names)
    assert table["matched"] == counts_M.matched.tolist()
    names = [data.label_names[tag] for tag in data.test.answers]
    assert [tag for tags in table["label"] for tag in tags] == names
    assert [len(tags) for tags in table["prediction"]] == np.diff(data.test.sentences).tolist()
    raw = target_metrics(data, predictions)
    kept = ~np.array(table["duplicate"])
    expected = domain_metrics(
        counts_M[kept], data.test.examples.domains_M[kept], data.target_domains
    )
    assert raw["target_deduplicated"] == expected
