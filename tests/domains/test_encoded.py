from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from doge_ray.domains import encode as encode_module
from doge_ray.domains.encode import encode
from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.domains.labelled import Corpus, LabelledText
from doge_ray.errors import InputError

MAX_LENGTH = 28  # not a multiple of 8, so that batches meet the limit


@pytest.fixture
def encoded(small_corpus, tokenizer, tmp_path) -> Encoded:
    encode(small_corpus, tokenizer, MAX_LENGTH, tmp_path)
    return open_encoded(tmp_path)


def paired(corpus: Corpus) -> Corpus:
    """The same corpus as a pair task."""

    def pair(text: LabelledText) -> LabelledText:
        return replace(text, pairs=tuple(reversed(text.texts)))

    splits = {
        name: {d: pair(text) for d, text in part.items()} for name, part in corpus.splits.items()
    }
    return replace(corpus, **splits)


def test_what_is_known_about_the_corpus_comes_along(encoded, small_corpus):
    assert encoded.fingerprint == small_corpus.fingerprint
    assert encoded.label_names == ("bad", "good")
    assert encoded.source_domains == ("books", "tools")
    assert encoded.target_domains == ("games",)
    assert encoded.audit.max_length == MAX_LENGTH
    assert encoded.audit.duplicated_targets == (2, 4)
    assert [part.truncated for part in encoded.audit.splits] == [0, 0, 0, 0, 1]


def test_rows_keep_their_order_domain_label_and_flags(encoded):
    assert encoded.train.domains_N.tolist() == [0, 0, 0, 1, 1]
    assert encoded.train.labels_N.tolist() == [1, 0, 1, 0, 1]
    assert encoded.test.truncated_N.tolist() == [False, False, False, True]
    assert encoded.test.duplicated_N.tolist() == [True, True, False, False]
    assert encoded.dev.duplicated_N.tolist() == [True, False, False, False]
    assert encoded.test.lengths_N.tolist() == [4, 3, 4, MAX_LENGTH]
    assert len(encoded.test) == 4


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pairs", [False, True])
def test_a_batch_equals_the_tokenizers_own(small_corpus, tokenizer, tmp_path, side, pairs):
    corpus = paired(small_corpus) if pairs else small_corpus
    tokenizer.padding_side = side
    encode(corpus, tokenizer, MAX_LENGTH, tmp_path)
    split = open_encoded(tmp_path).train
    whole = [text for part in corpus.train.values() for text in part.texts]
    seconds = [text for part in corpus.train.values() for text in part.pairs or ()]
    for rows in ([0], [2, 0], [4, 1, 3, 1]):
        batch = split.batch(np.array(rows))
        wanted = tokenizer(
            [whole[row] for row in rows],
            [seconds[row] for row in rows] if pairs else None,
            truncation=True,
            max_length=MAX_LENGTH,
            padding="max_length",
            return_tensors="pt",
        )
        width = batch["input_ids"].shape[1]
        for name, tensor in wanted.items():
            kept = tensor[:, :width] if side == "right" else tensor[:, -width:]
            assert torch.equal(batch[name], kept), name
            assert batch[name].dtype == torch.int64
        assert batch["labels"].tolist() == split.labels_N[rows].tolist()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(st.integers(0, 4), max_size=9), pad_to=st.integers(1, 40), step=st.integers(1, 12)
)
def test_the_width_suits_the_longest_row(encoded, rows, pad_to, step):
    batch = encoded.train.batch(np.array(rows, np.int64), pad_to, step)
    lengths = encoded.train.lengths_N[rows]
    width = batch["input_ids"].shape[1]
    assert batch["attention_mask"].sum(1).tolist() == lengths.tolist()
    longest = max([1, *lengths])
    assert width in {*range(longest, longest + step), MAX_LENGTH, pad_to}
    assert max(longest, min(pad_to, MAX_LENGTH)) <= width <= MAX_LENGTH
    assert len(batch["labels"]) == len(rows)


def test_a_tokenizer_without_token_types(small_corpus, tokenizer, tmp_path):
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    encode(small_corpus, tokenizer, MAX_LENGTH, tmp_path)
    batch = open_encoded(tmp_path).dev.batch(np.array([0, 1]))
    assert batch.keys() == {"input_ids", "attention_mask", "labels"}


def test_chunks_do_not_show(small_corpus, tokenizer, tmp_path, monkeypatch):
    encode(small_corpus, tokenizer, MAX_LENGTH, tmp_path / "whole")
    monkeypatch.setattr(encode_module, "CHUNK", 2)
    encode(small_corpus, tokenizer, MAX_LENGTH, tmp_path / "chunks")
    for name in ("train.arrow", "dev.arrow", "test.arrow", "encoded.json"):
        whole, chunks = (tmp_path / part / name for part in ("whole", "chunks"))
        assert whole.read_bytes() == chunks.read_bytes()


def test_tokens_stay_on_disk(encoded):
    assert not any(values.flags.owndata for values in encoded.train.tokens.values())
    assert not encoded.train.labels_N.flags.writeable


def test_a_length_the_model_cannot_read_is_refused(small_corpus, tokenizer, tmp_path):
    with pytest.raises(InputError, match=r"train\.max_length=513 is more than the 512 .*choose"):
        encode(small_corpus, tokenizer, 513, tmp_path)
