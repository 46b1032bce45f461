"""The tokenizer in a model folder."""

from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from doge_ray.errors import InputError


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer that a model was trained with.

    Raises:
        InputError: the folder has none.
    """
    try:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # of a damaged file, the kinds of error are many
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"{folder} holds no tokenizer that transformers reads ({reason}); save the model's "
            "tokenizer there"
        ) from None
