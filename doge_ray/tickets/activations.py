"""How often the neurons of FFN blocks are active, domain by domain (paper, figures 1 and 6).

Shapes: D domains, L layers, F neurons of a block.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from doge_ray.errors import InputError

THRESHOLD = -2.0
"""Active above it, *before* GELU: after GELU nothing is ever below -0.17."""


@dataclass(frozen=True)
class ActiveCounts:
    """Examples of each domain at whose first token, [CLS], a neuron is active."""

    domains: tuple[str, ...]
    count_D: NDArray[np.float64]
    active_DLF: NDArray[np.float64]

    def shares(self) -> NDArray[np.float64]:
        """Active examples as a share of all, in [0, 1]: (D, L, F)."""
        return self.active_DLF / self.count_D[:, None, None]

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file that ``load`` reads."""
        names = np.array(self.domains)
        np.savez(path, domains=names, count_D=self.count_D, active_DLF=self.active_DLF)

    @classmethod
    def load(cls, path: Path) -> ActiveCounts:
        """Read what ``save`` wrote.

        Raises:
            InputError: the file is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(tuple(map(str, file["domains"])), file["count_D"], file["active_DLF"])
        except (OSError, EOFError, BadZipFile, KeyError, ValueError) as error:
            raise InputError(
                f"{path} is damaged ({error}); delete {path.parent.parent}, and the same command "
                "counts again"
            ) from None
