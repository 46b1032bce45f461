"""The tokenised corpus: Arrow files, mapped into memory by every worker that opens them.

Shapes: N rows of a split, B rows of a batch, T tokens of its longest row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from doge_ray.domains.audit import Audit

ABOUT = "encoded.json"
TOKENS = {"input_ids": np.int32, "token_type_ids": np.int8}
WIDTH_STEP = 8  # batches are padded to a multiple of it, which suits tensor cores


@dataclass(frozen=True)
class Padding:
    """How rows are filled up to one width; no batch is wider than ``max_length`` tokens."""

    pad_id: int
    side: Literal["left", "right"]
    max_length: int


@dataclass(frozen=True)
class EncodedSplit:
    """One split; ``domains_N`` indexes the source domains or, in the test split, the targets.

    ``duplicated_N`` marks duplicates as ``audit.duplicate_flags`` defines them.
    ``tokens`` holds all rows end to end; row n is the ``lengths_N[n]`` values from
    ``starts_N[n]`` on.
    """

    domains_N: NDArray[np.int32]
    labels_N: NDArray[np.int32]
    truncated_N: NDArray[np.bool_]
    duplicated_N: NDArray[np.bool_]
    starts_N: NDArray[np.int32]
    lengths_N: NDArray[np.int32]
    tokens: dict[str, NDArray[np.integer[Any]]]
    padding: Padding

    def __len__(self) -> int:
        return len(self.labels_N)

    def batch(self, rows: NDArray[np.int64], pad_to: int | None = None) -> dict[str, torch.Tensor]:
        """The model's inputs for B rows, possibly none, padded to one width.

        Returns:
            int64 ``input_ids``, ``attention_mask`` and, if the tokenizer has them,
            ``token_type_ids`` of shape (B, T), and ``labels`` (B,). T is the longest row's length
            rounded up to a multiple of 8, at least ``pad_to``, at most ``max_length``.
        """
        lengths_B = self.lengths_N[rows]
        longest = int(lengths_B.max(initial=1))
        rounded = -(-longest // WIDTH_STEP) * WIDTH_STEP
        width = min(max(rounded, pad_to or 0), self.padding.max_length)
        # Position of each column within its row; outside of 0 .. length - 1 it is padding.
        first_B = width - lengths_B if self.padding.side == "left" else np.zeros_like(lengths_B)
        position_BT = np.arange(width) - first_B[:, None]
        mask_BT = (position_BT >= 0) & (position_BT < lengths_B[:, None])
        taken = (self.starts_N[rows][:, None] + position_BT)[mask_BT]

        inputs = {"attention_mask": mask_BT.astype(np.int64)}
        for name, values in self.tokens.items():
            filler = self.padding.pad_id if name == "input_ids" else 0
            inputs[name] = np.full(mask_BT.shape, filler, np.int64)
            inputs[name][mask_BT] = values[taken]
        inputs["labels"] = self.labels_N[rows].astype(np.int64)
        return {name: torch.from_numpy(array) for name, array in inputs.items()}


@dataclass(frozen=True)
class Encoded:
    """A tokenised corpus and what is known about it."""

    fingerprint: str
    source_domains: tuple[str, ...]
    target_domains: tuple[str, ...]
    audit: Audit
    train: EncodedSplit
    dev: EncodedSplit
    test: EncodedSplit

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes, in the order of their indices."""
        return self.audit.label_names


def open_encoded(folder: Path) -> Encoded:
    """What ``encode`` wrote into ``folder``; its tokens stay on disk until they are read."""
    about = json.loads((folder / ABOUT).read_text())
    padding = Padding(**about["padding"])
    return Encoded(
        about["fingerprint"],
        tuple(about["source_domains"]),
        tuple(about["target_domains"]),
        Audit.from_dict(about["audit"]),
        *(_open_split(folder / f"{split}.arrow", padding) for split in ("train", "dev", "test")),
    )


def _open_split(file: Path, padding: Padding) -> EncodedSplit:
    rows = pa.ipc.open_file(pa.memory_map(str(file))).get_batch(0)
    offsets = rows["input_ids"].offsets.to_numpy()
    return EncodedSplit(
        domains_N=rows["domain"].to_numpy(),
        labels_N=rows["label"].to_numpy(),
        truncated_N=rows["truncated"].to_numpy(zero_copy_only=False),
        duplicated_N=rows["duplicated"].to_numpy(zero_copy_only=False),
        starts_N=offsets[:-1],
        lengths_N=np.diff(offsets),
        tokens={name: rows[name].values.to_numpy() for name in TOKENS if name in rows.schema.names},
        padding=padding,
    )
