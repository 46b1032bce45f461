"""What a tokenizer makes of texts: asked of it, and as Arrow columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
from transformers import BatchEncoding, PreTrainedTokenizerBase

from doge_ray.domains.encoded import TOKENS
from doge_ray.errors import InputError


def tokens_of(tokenizer: PreTrainedTokenizerBase, *texts: Any, **options: Any) -> BatchEncoding:
    """The tokens of texts, of pairs of texts or of lists of words.

    Raises:
        InputError: the tokenizer cannot read them; says why.
    """
    # verbose=False: what is longer than the model reads is cut, or looked at without a cut.
    options |= {"return_attention_mask": False, "verbose": False}
    try:
        return tokenizer(*texts, **options)
    except Exception as error:  # of compiled code, the kinds of error are many
        raise InputError(
            f"{tokenizer.name_or_path}: the tokenizer cannot read the data ({error}); use the "
            "tokenizer that the model came with"
        ) from error


def token_columns(tokens: BatchEncoding) -> dict[str, pa.ListArray]:
    """The columns input_ids and, if the tokenizer has them, token_type_ids."""
    return {name: ragged(tokens[name], dtype) for name, dtype in TOKENS.items() if name in tokens}


def ragged(rows: Sequence[Sequence[int]] | Iterable[Any], dtype: Any) -> pa.ListArray:
    """Rows of integers as one column of lists; several times as fast as Arrow's own conversion."""
    rows = list(rows)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int32)
    values = np.fromiter(chain.from_iterable(rows), dtype, offsets[-1])
    return pa.ListArray.from_arrays(offsets, values)
