"""Seeds derived from names: independent streams that no reordering of the code can shift."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed in [0, 2**32) that depends on ``seed`` and on each name in turn."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def trial_seed(seed: int, replicate: int) -> int:
    """That of a sweep's searches (replicate 0), or of a repeat of what they chose."""
    return derive_seed(seed, "replicate", replicate) if replicate else derive_seed(seed, "search")
