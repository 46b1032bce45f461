"""The tokenised corpus: Arrow files, mapped into memory by every worker that opens them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from doge_ray.config.data import Task
from doge_ray.domains.audit import Audit
from doge_ray.domains.rows import EncodedRows, EncodedSplit, Examples, Padding, TaggedSplit
from doge_ray.errors import DAMAGED, InputError

ABOUT = "encoded.json"
SENTENCES = "sentences.arrow"
TOKENS = {"input_ids": np.int32, "token_type_ids": np.int8}


@dataclass(frozen=True)
class Encoded:
    """A tokenised corpus and what is known about it."""

    fingerprint: str
    source_domains: tuple[str, ...]
    target_domains: tuple[str, ...]
    audit: Audit
    train: EncodedRows
    dev: EncodedRows
    test: EncodedRows

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes, in the order of their indices."""
        return self.audit.label_names

    @property
    def task(self) -> Task:
        """Whether rows have a class each, or words a tag."""
        return self.train.task


def open_encoded(folder: Path) -> Encoded:
    """What ``encode`` wrote into ``folder``; its tokens stay on disk until they are read.

    Raises:
        InputError: the files are damaged.
    """
    try:
        return _opened(folder)
    except (pa.ArrowException, OSError, *DAMAGED) as error:
        raise InputError(
            f"{folder}: the tokenised data is damaged ({error}); delete {folder.parent}, and the "
            "same command makes it again"
        ) from error


def _opened(folder: Path) -> Encoded:
    about = json.loads((folder / ABOUT).read_text())
    padding = TypeAdapter(Padding).validate_python(about["padding"])
    audit = Audit.from_dict(about["audit"])
    domains = [about["source_domains"], about["target_domains"]]
    if domains != [audit.domains("train"), audit.domains("test")]:
        raise ValueError("its domains are not those of its audit")
    return Encoded(
        str(about["fingerprint"]),
        tuple(about["source_domains"]),
        tuple(about["target_domains"]),
        audit,
        *(_open_split(folder, split, padding) for split in ("train", "dev", "test")),
    )


def _open_split(folder: Path, split: str, padding: Padding) -> EncodedRows:
    rows = _mapped(folder / f"{split}.arrow")
    common = _common(rows, padding)
    if "label" in rows.schema.names:
        return EncodedSplit(**common, labels_N=rows["label"].to_numpy())
    sentences = _mapped(folder / f"{split}.{SENTENCES}")
    return TaggedSplit(
        **common,
        words=rows["word"].values.to_numpy(),
        tags_W=sentences["tag"].values.to_numpy(),
        sentences=sentences["tag"].offsets.to_numpy(),
        measured=Examples(
            sentences["domain"].to_numpy(), sentences["duplicated"].to_numpy(zero_copy_only=False)
        ),
    )


def _mapped(file: Path) -> pa.RecordBatch:
    return pa.ipc.open_file(pa.memory_map(str(file))).get_batch(0)


def _common(rows: pa.RecordBatch, padding: Padding) -> dict[str, Any]:
    """The fields of ``EncodedRows``."""
    offsets = rows["input_ids"].offsets.to_numpy()
    return {
        "domains_N": rows["domain"].to_numpy(),
        "truncated_N": rows["truncated"].to_numpy(zero_copy_only=False),
        "duplicated_N": rows["duplicated"].to_numpy(zero_copy_only=False),
        "starts_N": offsets[:-1],
        "lengths_N": np.diff(offsets),
        "tokens": {
            name: rows[name].values.to_numpy() for name in TOKENS if name in rows.schema.names
        },
        "padding": padding,
    }
