"""Tags beside tokens: which token carries a word's tag, and how long sentences are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from doge_ray.domains import encode_tags
from doge_ray.domains.encode import encode
from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.domains.labelled import Corpus, TaggedText
from doge_ray.domains.rows import TaggedSplit

NAMES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
LONG = ("Wolfeschlegelsteinhausenbergerdorff",) * 3 + ("met", "Ann")
WORDS = [
    ("Ann", "met", "Wolfeschlegelsteinhausenbergerdorff", "."),
    ("\u200b", "Rome", "!"),  # a word of which the tokenizer leaves nothing
    LONG,
]
TAGS = [(1, 0, 1, 0), (0, 3, 0), (1, 2, 2, 0, 1)]


def corpus_of(words: list[tuple[str, ...]], tags: list[tuple[int, ...]]) -> Corpus:
    text = TaggedText(tuple(words), tuple(tags))
    return Corpus(NAMES, {"a": text, "b": text.take(np.array([0]))}, {"a": text}, {"t": text})


def encoded(
    tokenizer: PreTrainedTokenizerBase, folder: Path, long_sentences: str = "cut", length: int = 16
) -> Encoded:
    encode(corpus_of(WORDS, TAGS), tokenizer, length, folder, long_sentences)
    return open_encoded(folder)


def test_the_first_token_of_a_word_carries_its_tag(tokenizer, tmp_path) -> None:
    split = encoded(tokenizer, tmp_path, length=64).train
    assert isinstance(split, TaggedSplit)
    batch = split.batch(np.array([0, 1]))
    whole = tokenizer([*WORDS[:2]], is_split_into_words=True, padding=True)
    width = len(whole["input_ids"][0])
    for row, tags in enumerate(TAGS[:2]):
        assert batch["input_ids"][row, :width].tolist() == whole["input_ids"][row]
        seen: set[int | None] = {None}
        expected = []
        for word in whole.word_ids(row):
            expected.append(-100 if word in seen else tags[word])
            seen.add(word)
        assert batch["labels"][row, :width].tolist() == expected
        assert set(batch["labels"][row, width:].tolist()) <= {-100}
    assert expected.count(-100) < len(expected) - 1
    assert split.tags_W.tolist() == [*TAGS[0], *TAGS[1], *TAGS[2], *TAGS[0]]
    assert split.examples.domains_M.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_side(tokenizer, tmp_path, side) -> None:
    tokenizer.padding_side = side
    split = encoded(tokenizer, tmp_path).train
    one, batch = split.batch(np.array([1])), split.batch(np.array([0, 1]), pad_to=40)
    inside = batch["attention_mask"][1].bool()
    for name in ("input_ids", "labels"):
        assert torch.equal(batch[name][1][inside], one[name][0][one["attention_mask"][0].bool()])
    assert set(batch["labels"][1][~inside].tolist()) == {-100}


def test_cut_sentences_lose_their_last_words(tokenizer, tmp_path) -> None:
    split = encoded(tokenizer, tmp_path).test
    assert len(split) == 3
    assert split.truncated_N.tolist() == [False, False, True]
    assert split.lengths_N[2] == 16
    read = split.words[split.words >= 0]
    assert 7 <= read.max() < 11  # the words of LONG are 7 to 11


def test_windows_hold_whole_words_and_every_word_once(tokenizer, tmp_path) -> None:
    data = encoded(tokenizer, tmp_path, "windows")
    split = data.test
    assert len(split) > 3
    assert split.lengths_N.max() <= 16
    read = split.words[split.words >= 0]
    # \u200b has no token at all.
    assert read.tolist() == [w for w in range(12) if w != 4]
    assert split.truncated_N.tolist() == [False, False] + [True] * (len(split) - 2)
    assert [part.truncated for part in data.audit.splits] == [1, 0, 1, 1]
    assert [part.rows for part in data.audit.splits] == [3, 1, 3, 3]
    words = tokenizer([[w] for w in LONG], is_split_into_words=True, add_special_tokens=False)
    tokens = [t for ids in words["input_ids"] for t in ids]
    rows = [
        split.tokens["input_ids"][start + 1 : start + length - 1]
        for start, length in zip(split.starts_N[2:], split.lengths_N[2:], strict=True)
    ]
    assert np.concatenate(rows).tolist() == tokens


def test_a_word_longer_than_a_window_is_cut(tokenizer, tmp_path) -> None:
    split = encoded(tokenizer, tmp_path, "windows", length=8).test
    assert split.lengths_N.max() == 8
    assert split.words[split.words >= 0].tolist() == [w for w in range(12) if w != 4]


WORD = st.text("abcXYZ19.-é\u200b", min_size=1, max_size=12)
SENTENCES = st.lists(st.lists(WORD, min_size=1, max_size=9), min_size=1, max_size=5)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sentences=SENTENCES, length=st.integers(8, 20), chunk=st.sampled_from([2, 4096]))
def test_answers_come_back_from_their_own_labels(
    tokenizer, tmp_path_factory, sentences, length, chunk
) -> None:
    """What a network that is always right says, put back to words, is right wherever it reads."""
    rng = np.random.default_rng(0)
    tags = [tuple(rng.integers(0, 5, len(s)).tolist()) for s in sentences]
    corpus = corpus_of([tuple(s) for s in sentences], tags)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encode_tags, "CHUNK", chunk)
        for long_sentences in ("cut", "windows"):
            folder = tmp_path_factory.mktemp("encoded")
            encode(corpus, tokenizer, length, folder, long_sentences)
            split = open_encoded(folder).train
            predictions = np.full(len(split.answers), -1)
            for row in np.arange(len(split)):
                labels_BT = split.batch(np.array([row]))["labels"].numpy()
                split.assign(predictions, np.array([row]), np.where(labels_BT < 0, 9, labels_BT))
            read = predictions >= 0
            assert (predictions[read] == split.tags_W[read]).all()
            tokens = tokenizer([w for s in sentences for w in s], add_special_tokens=False)
            has_tokens = [bool(ids) for ids in tokens["input_ids"]]
            if long_sentences == "windows":
                assert read[: len(has_tokens)].tolist() == has_tokens


def test_byte_level_tokenizers_see_the_blank_before_a_word(tmp_path) -> None:
    """They tell ' met' from 'met', and given words apart do not add the blank themselves."""
    inner = Tokenizer(models.BPE(unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(special_tokens=["[UNK]", "[PAD]"], vocab_size=400)
    inner.train_from_iterator(["Ann met a b . Rome met Ann !"] * 9, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]", model_max_length=64
    )
    split = encoded(tokenizer, tmp_path, length=64).train
    row = split.tokens["input_ids"][: split.lengths_N[0]]
    assert row.tolist() == tokenizer(" " + " ".join(WORDS[0]))["input_ids"]
    words = split.words[: split.lengths_N[0]]
    assert words[words >= 0].tolist() == [0, 1, 2, 3]


def test_what_is_known_comes_along(tokenizer, tmp_path) -> None:
    data = encoded(tokenizer, tmp_path)
    assert data.task == "tagging"
    assert data.label_names == NAMES
    train = data.audit.splits[0]
    assert (train.rows, sum(train.label_counts)) == (3, 12)
    assert train.shares(NAMES) == {"LOC": 0.2, "PER": 0.8}
    assert data.test.duplicated_N.tolist() == [True, True, True]
