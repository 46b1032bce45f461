"""Tokenising a corpus once, into Arrow files for ``encoded`` to map.

A folder gets ``train.arrow``, ``dev.arrow`` and ``test.arrow``, one record batch each, and
``encoded.json``, written last.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sized
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from transformers import BatchEncoding, PreTrainedTokenizerBase

from doge_ray.domains.audit import Flags, audit_corpus, duplicate_flags
from doge_ray.domains.encoded import ABOUT, TOKENS, Padding
from doge_ray.domains.labelled import Corpus, LabelledText
from doge_ray.errors import InputError

CHUNK = 4096  # texts tokenised at a time, which bounds the lists of Python integers


def encode(
    corpus: Corpus, tokenizer: PreTrainedTokenizerBase, max_length: int, folder: Path
) -> None:
    """Tokenise ``corpus``, cut at ``max_length`` tokens, audit it, and write it to ``folder``.

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
        tables = {name: _tokenised(text, tokenizer, max_length) for name, text in domains.items()}
        truncated[split] = {name: table["truncated"].to_numpy() for name, table in tables.items()}
        whole = pa.concat_tables(tables.values())
        whole = whole.append_column("domain", [_indices(domains.values())])
        whole = whole.append_column("duplicated", [np.concatenate([*duplicated[split].values()])])
        _write(whole, folder / f"{split}.arrow")

    padding = Padding(tokenizer.pad_token_id, tokenizer.padding_side, max_length)
    about = {
        "fingerprint": corpus.fingerprint,
        "source_domains": corpus.source_domains,
        "target_domains": corpus.target_domains,
        "padding": asdict(padding),
        "audit": audit_corpus(corpus, max_length, truncated, duplicated).to_dict(),
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1))


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

    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    columns: dict[str, Any] = {"label": np.array(text.labels, np.int32), "truncated": truncated}
    for name, dtype in TOKENS.items():
        if name in tokens:
            # Several times as fast as Arrow's own conversion of nested lists.
            values = np.fromiter(chain.from_iterable(tokens[name]), dtype, offsets[-1])
            columns[name] = pa.ListArray.from_arrays(offsets, values)
    return pa.record_batch(columns)


def _call(tokenizer: PreTrainedTokenizerBase, text: LabelledText, **options: Any) -> BatchEncoding:
    pairs = None if text.pairs is None else list(text.pairs)
    # verbose=False: a warning about texts beyond the model's limit would come from the uncut call.
    return tokenizer(list(text.texts), pairs, return_attention_mask=False, verbose=False, **options)


def _indices(parts: Collection[Sized]) -> NDArray[np.int32]:
    """Each part's index, once for each of its rows: [0, 0, 0, 1, 1] for parts of 3 and 2."""
    return np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])


def _write(table: pa.Table, file: Path) -> None:
    whole = table.combine_chunks()
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, whole.schema) as writer:
        writer.write_table(whole)
