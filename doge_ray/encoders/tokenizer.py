"""The tokenizer in a model folder, held against the model beside it.

Two that do not fit each other would end a training in its midst, or on a GPU its whole process, or
give every token another position than the one it was pretrained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoTokenizer, PreTrainedConfig, PreTrainedTokenizerBase

from doge_ray.encoders.families import family_of
from doge_ray.encoders.stock import read_config
from doge_ray.errors import InputError
from doge_ray.terminal import write

MOST_UNKNOWN = 0.5
"""Share of the data's tokens that a tokenizer may not know: of names and other scripts there are
some, of everything where the vocabulary is missing."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that a model was trained with.

    Raises:
        InputError: the folder has none.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except Exception as error:  # of a damaged file, the kinds of error are many
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{folder} holds no tokenizer that transformers reads ({reason}); save the model's "
            "tokenizer there"
        ) from None
    if not isinstance(tokenizer.model_max_length, int | float) or tokenizer.model_max_length < 1:
        raise InputError(
            f"{folder / 'tokenizer_config.json'}: model_max_length="
            f"{tokenizer.model_max_length!r} is no number of tokens; write one, or leave it out"
        )
    # Encoders number positions from the left: before a text, padding would move all of its words.
    tokenizer.padding_side = "right"
    return tokenizer


@dataclass(frozen=True)
class Reader:
    """What reads texts for a model: the tokenizer in its folder, that fits its configuration."""

    folder: Path
    tokenizer: PreTrainedTokenizerBase
    config: PreTrainedConfig

    @classmethod
    def of(cls, folder: Path) -> Reader:
        """That of a model folder.

        Raises:
            InputError: there is none, or it has no padding token, or another than positions are
                counted by; says what to write into which file.
        """
        tokenizer, config = load_tokenizer(folder), read_config(folder)
        _check_padding(tokenizer, config, folder)
        if not hasattr(config, "type_vocab_size"):
            # A model that has no token types is given none.
            names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
            tokenizer.model_input_names = names
        return cls(folder, tokenizer, config)

    def check_marks(self, pairs: bool) -> None:
        """Tell of a tokenizer that puts no special tokens around texts, or pairs of texts."""
        if not self.tokenizer.num_special_tokens_to_add(pair=pairs):
            write(
                f"{self.folder}: the tokenizer puts no tokens such as [CLS] around a "
                f"{'pair of texts' if pairs else 'text'}, by which models are pretrained to tell "
                "where it begins and ends; is it the one that the model came with?",
                error=True,
            )

    def check_tokens(self, tokens: Mapping[str, NDArray[np.integer[Any]]]) -> None:
        """Refuse tokens and token types for which the model has no embedding.

        Args:
            tokens: input_ids and, if the tokenizer gives them, token_type_ids, of all rows of a
                split.

        Raises:
            InputError: names a token, and the number of embeddings.
        """
        self._check_known(tokens["input_ids"])
        largest = int(tokens["input_ids"].max(initial=0))
        if largest >= self.config.vocab_size:
            raise InputError(
                f"{self.folder}: the tokenizer makes "
                f"{self.tokenizer.convert_ids_to_tokens(largest)!r} of the data token {largest}, "
                f"but the model has embeddings for {self.config.vocab_size} only, the last of "
                "which is the one before; use the tokenizer that the model came with, or enlarge "
                "the embeddings (resize_token_embeddings) and save the model again"
            )
        kinds = getattr(self.config, "type_vocab_size", 0)  # where it is 0 the types are not read
        largest_kind = int(tokens.get("token_type_ids", np.zeros(0, int)).max(initial=0))
        if kinds and largest_kind >= kinds:
            raise InputError(
                f"{self.folder}: the tokenizer gives second texts the type {largest_kind}, but the "
                f"model has embeddings for {kinds} type(s); use the tokenizer that the model came "
                "with"
            )

    def _check_known(self, ids: NDArray[np.integer[Any]]) -> None:
        """Refuse what is mostly unknown to the tokenizer, as to one without its vocabulary."""
        around = set(self.tokenizer.all_special_ids) - {self.tokenizer.unk_token_id}
        words = ids[~np.isin(ids, sorted(around))]
        unknown = int((words == self.tokenizer.unk_token_id).sum())
        if len(ids) and unknown >= MOST_UNKNOWN * len(words):
            share = f"{unknown} of {len(words)} tokens of the data are unknown to it"
            raise InputError(
                f"{self.folder}: the tokenizer cannot read the data: "
                f"{share if len(words) else 'it makes no tokens of it at all'}; save the "
                "tokenizer that the model came with there, with its vocabulary (tokenizer.json)"
            )


def _check_padding(
    tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, folder: Path
) -> None:
    remedy = "set pad_token in its tokenizer_config.json"
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"{folder}: the tokenizer has no token with which short texts are filled up; {remedy}, "
            "to a token that it knows, such as [PAD]"
        )
    if tokenizer.pad_token_id >= config.vocab_size:
        raise InputError(
            f"{folder}: {tokenizer.pad_token!r}, the tokenizer's padding, is token "
            f"{tokenizer.pad_token_id}, but the model has embeddings for {config.vocab_size} only; "
            f"{remedy}, to a token that the model knows too"
        )
    expected = family_of(config).padding_index(config)
    if expected is not None and tokenizer.pad_token_id != expected:
        raise InputError(
            f"{folder}: {tokenizer.pad_token!r}, the tokenizer's padding, is token "
            f"{tokenizer.pad_token_id}, but the model counts positions behind padding of index "
            f"{expected}; {remedy}, to that token, or use the tokenizer that the model came with"
        )
