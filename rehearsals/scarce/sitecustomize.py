"""Python imports this by itself where the folder is on its path: a machine of little memory.

More than ``DOGE_RAY_ROWS`` sequences at once make torch ask for memory that no machine has.
"""

import os
from typing import Any

import wrapt

BEYOND_ANY_MACHINE = 1 << 60  # bytes


@wrapt.when_imported("torch.nn.functional")
def make_scarce(functional: Any) -> None:
    """Let embeddings of too many sequences fail, as a large allocation does."""
    most, plentiful = int(os.environ["DOGE_RAY_ROWS"]), functional.embedding

    def embedding(tokens: Any, *args: Any, **kwargs: Any) -> Any:
        if len(tokens) > most:
            tokens.new_empty(BEYOND_ANY_MACHINE)
        return plentiful(tokens, *args, **kwargs)

    functional.embedding = embedding
