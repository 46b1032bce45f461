"""Tokenising tagged sentences: a word's tag goes to its first token, and none to the others.

A sentence longer than the network reads is cut, or read in windows of whole words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from transformers import BatchEncoding, PreTrainedTokenizerBase

from doge_ray.domains.labelled import TaggedText, Text
from doge_ray.domains.tokens import ragged, token_columns, tokens_of
from doge_ray.errors import InputError

LongSentences = Literal["cut", "windows"]
CHUNK = 4096  # sentences tokenised at a time, which bounds the lists of Python integers


class Window(NamedTuple):
    """Words of a sentence that are read as one row, from ``first`` up to ``end``."""

    sentence: int
    first: int
    end: int


def tag_tables(
    domains: Mapping[str, Text],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    long_sentences: LongSentences,
) -> tuple[pa.Table, pa.Table]:
    """All sentences of a split as tables, domain after domain.

    Args:
        domains: tagged text by domain.
        tokenizer: the model's.
        max_length: tokens of a row, special ones included.
        long_sentences: what becomes of those that are longer.

    Returns:
        The rows the network reads, with the columns sentence, word (beside the tokens: where one
        is a word's first, the word's place among all words of the split, elsewhere -1), input_ids
        and, if the tokenizer has them, token_type_ids; and the sentences, with the columns tag
        (of every word) and truncated (has more than ``max_length`` tokens).

    Raises:
        InputError: the tokenizer cannot read the words, or does not tell them apart.
    """
    if not tokenizer.is_fast:
        raise InputError(
            f"{tokenizer.name_or_path}: its tokenizer, which is written in Python, does not say of "
            "which word a token is; use a model with a tokenizer.json to tag words"
        )
    texts = [text for text in domains.values() if isinstance(text, TaggedText)]
    words = [[*map(str, sentence)] for text in texts for sentence in text.words]
    if not _parts_words(tokenizer):
        words = [[f" {word}" for word in sentence] for sentence in words]
    starts_M = np.cumsum([0, *map(len, words)])
    rows, truncated = [], []
    for begin in range(0, len(words), CHUNK):
        chunk = words[begin : begin + CHUNK]
        tokens_by_word = _tokens_by_word(chunk, tokenizer)
        room = max_length - tokenizer.num_special_tokens_to_add()
        truncated += [int(tokens_M.sum()) > room for tokens_M in tokens_by_word]
        windows = [
            Window(begin + m, first, end)
            for m, tokens_W in enumerate(tokens_by_word)
            for first, end in _spans(tokens_W, room, long_sentences)
        ]
        rows.append(_rows(windows, words, starts_M, tokenizer, max_length))
    tags = ragged(chain.from_iterable(text.tags for text in texts), np.int32)
    return pa.Table.from_batches(rows), pa.table({"tag": tags, "truncated": np.array(truncated)})


def _parts_words(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether words given apart become the tokens they are in a text.

    Byte-level tokenizers mark a word by the blank before it, and may not add one by themselves.
    """
    apart = _call(tokenizer, [["a", "b"]], add_special_tokens=False)["input_ids"][0]
    return bool(apart[-1] == tokens_of(tokenizer, "a b", add_special_tokens=False)["input_ids"][-1])


def _tokens_by_word(
    words: Sequence[Sequence[str]], tokenizer: PreTrainedTokenizerBase
) -> list[NDArray[np.int64]]:
    """For every sentence, the number of tokens of each of its words."""
    tokens = _call(tokenizer, words, add_special_tokens=False)
    return [
        np.bincount(np.array(tokens.word_ids(m), np.int64), minlength=len(sentence))
        for m, sentence in enumerate(words)
    ]


def _spans(
    tokens_W: NDArray[np.int64], room: int, long_sentences: LongSentences
) -> list[tuple[int, int]]:
    """The words of each row that a sentence is read in; each has all the words it has room for."""
    if long_sentences == "cut":
        return [(0, len(tokens_W))]
    cuts, used = [0], 0
    for word, count in enumerate(tokens_W.tolist()):
        if used + count > room and word > cuts[-1]:
            cuts.append(word)
            used = 0
        used += count
    return list(zip(cuts, [*cuts[1:], len(tokens_W)], strict=True))


def _rows(
    windows: Sequence[Window],
    words: Sequence[Sequence[str]],
    starts_M: NDArray[np.int64],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
) -> pa.RecordBatch:
    parts = [words[window.sentence][window.first : window.end] for window in windows]
    # Cut in windows, too: a single word may be longer than one.
    tokens = _call(tokenizer, parts, truncation=True, max_length=max_length)
    places = [
        _first_tokens(tokens, row, int(starts_M[window.sentence]) + window.first)
        for row, window in enumerate(windows)
    ]
    columns: dict[str, Any] = {
        "sentence": np.array([window.sentence for window in windows], np.int32),
        "word": ragged(places, np.int32),
    }
    return pa.record_batch(columns | token_columns(tokens))


def _first_tokens(tokens: BatchEncoding, row: int, start: int) -> NDArray[np.int64]:
    """The places, counted from ``start``, of the words whose first token each token is; or -1."""
    words_T = np.array([-1 if w is None else w for w in tokens.word_ids(row)], np.int64)
    first_T = (words_T >= 0) & (words_T != np.concatenate([[-1], words_T[:-1]]))
    return np.where(first_T, start + words_T, -1)


def _call(
    tokenizer: PreTrainedTokenizerBase, words: Sequence[Sequence[str]], **options: Any
) -> BatchEncoding:
    return tokens_of(tokenizer, words, is_split_into_words=True, **options)
