"""A model folder, pruned or not: damaged configuration, weights' header or tokenizer."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from transformers.utils import logging

from doge_ray.encoders.folders import load_model, save_model
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.locate import find_model, fingerprint
from doge_ray.encoders.surgery import prune
from doge_ray.encoders.tokenizer import load_tokenizer
from tests.engine.project import make_model
from tests.fuzz.box import answer
from tests.fuzz.spoilt import as_json, damaged, spoilt

LABELS = ("bad", "good")
_WORDS = (b"\xff", b'"', b"{", b"[" * 30_000, b"-1", b"0", b"F64", b"data_offsets", b"\x00" * 8)
_JSON = ("config.json", "tokenizer.json", "tokenizer_config.json")


class Case(NamedTuple):
    kind: str
    file: str
    content: bytes


@cache
def _folders() -> dict[str, dict[str, bytes]]:
    """The files of an encoder without a head, and of a pruned classifier."""
    logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as place:
        encoder, pruned = Path(place) / "encoder", Path(place) / "pruned"
        make_model(encoder)
        model = initial_model(encoder, LABELS, seed=0)
        masks = np.array([[True, False, True, True]] * 3), np.array([True, False, True])
        prune(model, *masks)
        save_model(model, pruned, load_tokenizer(encoder))
        return {
            folder.name: {file.name: file.read_bytes() for file in folder.iterdir()}
            for folder in (encoder, pruned)
        }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    kind = draw(st.sampled_from(["encoder", "pruned"]))
    file = draw(st.sampled_from(["config.json", *_JSON, "model.safetensors"]))
    content = _folders()[kind][file]
    if file == "model.safetensors":
        return Case(kind, file, draw(_weights(content)))
    trees = spoilt(st.just(json.loads(content))).map(lambda tree: as_json(tree).encode())
    return Case(kind, file, draw(st.one_of(trees, damaged(st.just(content), _WORDS))))


def _weights(content: bytes) -> st.SearchStrategy[bytes]:
    """Damaged bytes, or a well-formed header that says something else."""
    size = int.from_bytes(content[:8], "little")
    header, tensors = json.loads(content[8 : 8 + size]), content[8 + size :]

    def written(tree: object) -> bytes:
        text = as_json(tree).encode()
        return len(text).to_bytes(8, "little") + text + tensors

    head = damaged(st.just(content[:200]), _WORDS).map(lambda first: first + content[200:])
    return st.one_of(spoilt(st.just(header)).map(written), head, damaged(st.just(content), _WORDS))


def check(box: Path, case: Case) -> None:
    """What is accepted is a network of the right shape; pickled weights beside it are not read."""
    folder = box / "model"
    folder.mkdir()
    for name, content in {**_folders()[case.kind], case.file: case.content}.items():
        (folder / name).write_bytes(content)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85R.")
    found = answer(lambda: find_model(str(folder)), str(folder), "config.json")
    if found is None:
        return
    assert len(fingerprint(found)) == 64
    answer(lambda: load_tokenizer(found), str(folder))
    if case.kind == "pruned":
        model = answer(lambda: load_model(found), str(folder), "config.json")
    else:
        model = answer(lambda: initial_model(found, LABELS, seed=1), str(folder), "config.json")
    if model is not None:
        assert not model.training
