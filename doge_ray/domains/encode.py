"""Tokenising a corpus once, into Arrow files for ``encoded`` to map.

A folder gets ``train.arrow``, ``dev.arrow`` and ``test.arrow``, one record batch each, for a tagged
corpus also ``train.sentences.arrow`` and so on, and ``encoded.json``, written last.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sized
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from transformers import BatchEncoding, PreTrainedTokenizerBase

from doge_ray.domains.audit import Flags, audit_corpus, duplicate_flags
from doge_ray.domains.encode_tags import LongSentences, tag_tables
from doge_ray.domains.encoded import ABOUT, SENTENCES
from doge_ray.domains.labelled import Corpus, LabelledText, Text
from doge_ray.domains.rows import Padding
from doge_ray.domains.tokens import token_columns, tokens_of
from doge_ray.errors import InputError

CHUNK = 4096  # texts tokenised at a time, which bounds the lists of Python integers


def encode(
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    folder: Path,
    long_sentences: LongSentences = "cut",
) -> None:
    """Tokenise a corpus, audit it, and write both to a folder.

    Args:
        corpus: texts with a class each, or sentences with tags.
        tokenizer: the model's.
        max_length: tokens at which a text is cut, special ones included.
        folder: where to; it is made.
        long_sentences: whether tagged sentences are cut too, or read in windows.

    Raises:
        InputError: the tokenizer's model reads no texts that long.
    """
    if max_length > tokenizer.model_max_length:
        raise InputError(
            f"train.max_length={max_length} is more than the {tokenizer.model_max_length} tokens "
            "the model reads; choose that or less"
        )
    folder.mkdir(parents=True, exist_ok=True)
    duplicated = duplicate_flags(corpus)
    truncated: Flags = {}
    for split, domains in corpus.splits.items():
        if corpus.task == "tagging":
            rows, sentences = tag_tables(domains, tokenizer, max_length, long_sentences)
            sentences = _flagged(sentences, domains, duplicated[split])
            _write(sentences.drop_columns("truncated"), folder / f"{split}.{SENTENCES}")
            rows = _of_sentences(rows, sentences)
            flags_M = sentences["truncated"].to_numpy()
        else:
            tables = [
                _tokenised(text, tokenizer, max_length)
                for text in domains.values()
                if isinstance(text, LabelledText)
            ]
            rows = _flagged(pa.concat_tables(tables), domains, duplicated[split])
            flags_M = rows["truncated"].to_numpy()
        truncated[split] = _by_domain(flags_M, domains)
        _write(rows, folder / f"{split}.arrow")

    padding = Padding(tokenizer.pad_token_id, tokenizer.padding_side, max_length)
    about = {
        "fingerprint": corpus.fingerprint,
        "source_domains": corpus.source_domains,
        "target_domains": corpus.target_domains,
        "padding": asdict(padding),
        "audit": audit_corpus(corpus, max_length, truncated, duplicated).to_dict(),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1))


def _flagged(
    table: pa.Table, domains: Mapping[str, Text], duplicated: Mapping[str, NDArray[np.bool_]]
) -> pa.Table:
    """A table of all rows of a split with their domains' indices and duplicate flags."""
    table = table.append_column("domain", [_indices(domains.values())])
    return table.append_column("duplicated", [np.concatenate([*duplicated.values()])])


def _of_sentences(rows: pa.Table, sentences: pa.Table) -> pa.Table:
    """The rows that sentences are read in, with what is known of each one's sentence."""
    columns = sentences.select(["truncated", "domain", "duplicated"]).take(rows["sentence"])
    rows = rows.drop_columns("sentence")
    for name in columns.column_names:
        rows = rows.append_column(name, columns[name])
    return rows


def _by_domain(
    flags: NDArray[np.bool_], domains: Mapping[str, Text]
) -> dict[str, NDArray[np.bool_]]:
    ends = np.cumsum([len(text) for text in domains.values()])
    return dict(zip(domains, np.split(flags, ends[:-1]), strict=True))


def _tokenised(text: LabelledText, tokenizer: PreTrainedTokenizerBase, max_length: int) -> pa.Table:
    """The columns label, truncated, input_ids and, if the tokenizer has them, token_type_ids."""
    rows = np.arange(len(text))
    return pa.Table.from_batches(
        _token_batch(text.take(rows[start : start + CHUNK]), tokenizer, max_length)
        for start in range(0, len(text), CHUNK)
    )


def _token_batch(
    text: LabelledText, tokenizer: PreTrainedTokenizerBase, max_length: int
) -> pa.RecordBatch:
    tokens = _call(tokenizer, text, truncation=True, max_length=max_length)
    lengths = np.array([len(ids) for ids in tokens["input_ids"]], np.int32)
    truncated = np.zeros(len(text), bool)
    # Only a text that fills max_length can have been longer.
    full = np.flatnonzero(lengths == max_length)
    if len(full):
        uncut = _call(tokenizer, text.take(full), truncation=False)
        truncated[full] = [len(ids) > max_length for ids in uncut["input_ids"]]

    labels = {"label": np.array(text.labels, np.int32), "truncated": truncated}
    return pa.record_batch(labels | token_columns(tokens))


def _call(tokenizer: PreTrainedTokenizerBase, text: LabelledText, **options: Any) -> BatchEncoding:
    pairs = None if text.pairs is None else list(text.pairs)
    return tokens_of(tokenizer, list(text.texts), pairs, **options)


def _indices(parts: Collection[Sized]) -> NDArray[np.int32]:
    """Each part's index, once for each of its rows: [0, 0, 0, 1, 1] for parts of 3 and 2."""
    return np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])


def _write(table: pa.Table, file: Path) -> None:
    whole = table.combine_chunks()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole)
