"""Python imports this by itself where the folder is on its path: a torch with a fault in it.

``DOGE_RAY_ROWS``: more sequences at once ask for memory that no machine has.
``DOGE_RAY_DIVERGES``: a training with this learning rate blows up.
"""

import os
from typing import Any

import wrapt

BEYOND_ANY_MACHINE = 1 << 50  # numbers
BEYOND_ANY_NUMBER = 1e38  # times a weight's update, in single precision


@wrapt.when_imported("torch.nn.functional")
def make_scarce(functional: Any) -> None:
    """Let embeddings of too many sequences fail, as a large allocation does."""
    if "DOGE_RAY_ROWS" not in os.environ:
        return
    most, plentiful = int(os.environ["DOGE_RAY_ROWS"]), functional.embedding

    def embedding(tokens: Any, *args: Any, **kwargs: Any) -> Any:
        if len(tokens) > most:
            tokens.new_empty(BEYOND_ANY_MACHINE)
        return plentiful(tokens, *args, **kwargs)

    functional.embedding = embedding


@wrapt.when_imported("torch.optim")
def make_diverge(optim: Any) -> None:
    """Let an optimiser take steps that no weight survives."""
    if "DOGE_RAY_DIVERGES" not in os.environ:
        return
    rate = float(os.environ["DOGE_RAY_DIVERGES"])
    orderly: Any = optim.AdamW

    class AdamW(orderly):
        def __init__(self, *args: Any, lr: float, **kwargs: Any) -> None:
            super().__init__(*args, lr=BEYOND_ANY_NUMBER if lr == rate else lr, **kwargs)

    optim.AdamW = AdamW
