"""A sweep's YAML file, or one with parts, and ``key=value`` overrides."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import yaml
from hypothesis import strategies as st

from doge_ray.config import SweepConfig, load_config, load_parts
from doge_ray.config.load import known_keys, validate
from doge_ray.engine.store.storage import Storage
from doge_ray.shipped import SWEEPS
from tests.fuzz.box import answer
from tests.fuzz.spoilt import NAMES, NUMBERS, as_json, damaged, junk, spoilt

_FILES = {path.stem: path.read_bytes() for path in sorted(SWEEPS.glob("*.yaml"))}
_TREES = [yaml.safe_load(content) for content in _FILES.values()]
_KEYS = sorted({key for tree in _TREES for key in known_keys(tree)})
_WORDS = (
    b"{",
    b"[",
    b"]",
    b": ",
    b"- ",
    b"&a ",
    b"*a",
    b"<<: ",
    b"!!int ",
    b"!!python/name:os.system",
)
_WORDS += (
    b"!!timestamp ",
    b"!!bool ",
    b"!!set ",
    b"\t",
    b"\n",
    b"#",
    b"|",
    b"%YAML 9.9",
    b"? ",
    b"...",
)
_WORDS += (b"2020-99-99", b"1:60:60", b"0x", b"9" * 5000, b"[" * 3000, b"\xff", b"\x00", b"\\ud800")
_DEFINES_MANY = "a0: &a0 [x]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(40)
)


class Case(NamedTuple):
    content: bytes
    overrides: list[str]


_contents = st.one_of(
    spoilt(st.sampled_from(_TREES)).map(lambda tree: as_json(tree).encode()),
    damaged(st.sampled_from(list(_FILES.values())), _WORDS),
    st.just(_DEFINES_MANY.encode()),
)
_values = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NUMBERS).map(str),
    junk.map(as_json),
    st.text(max_size=10),
    st.sampled_from([word.decode(errors="replace") for word in _WORDS]),
    st.sampled_from(["[1e-5, 2e-5]", "{low: 0.1, high: 0.2}", "paper", "null", "true", "B"]),
)
_keys = st.one_of(
    st.sampled_from(_KEYS),
    st.sampled_from(_KEYS).map(lambda key: key.rpartition(".")[2]),
    st.sampled_from(["name", "parts", "data", "train", "amazon:name", "mnli:", "data.", ".", ""]),
    st.text(max_size=6),
)
_overrides = st.one_of(
    st.tuples(_keys, _values).map("=".join),
    st.tuples(st.sampled_from([*_FILES, "amazon-A"]), _keys, _values).map(
        lambda parts: f"{parts[0]}:{parts[1]}={parts[2]}"
    ),
    st.text(max_size=10),
)
cases = st.builds(Case, _contents, st.lists(_overrides, max_size=4))


def check(box: Path, case: Case) -> None:
    """What is accepted can be written, read back and stored under its name, in its storage."""
    (box / "mine.yaml").write_bytes(case.content)
    places = ("mine.yaml", *case.overrides, *_named(case.overrides))
    for config in answer(lambda: _read(case.overrides), *places) or []:
        described = json.loads(json.dumps(config.model_dump(mode="json")))
        assert validate(described, "again") == config
        assert json.dumps(config.science())
        assert [config.published(method) for method in config.methods]
        _check_places(config)


def _read(overrides: list[str]) -> list[SweepConfig]:
    parts = load_parts("mine.yaml", overrides)
    if parts is None:
        return [load_config("mine.yaml", overrides)]
    assert re.fullmatch(r"[\w-][\w.-]*", parts.name)
    return [part.config for part in parts.parts]


def _named(overrides: list[str]) -> list[str]:
    """What a message about an override may say instead of all of it."""
    pairs = [*overrides, *(override.partition(":")[2] for override in overrides)]
    keys = [pair.partition("=")[0] for pair in pairs]
    return [*filter(None, keys), *(repr(pair)[:40] for pair in pairs if pair)]


def _check_places(config: SweepConfig) -> None:
    assert "hush" not in config.storage
    root = Path(Storage(config.storage).below("x")).parent
    folder = Path(Storage(config.storage).below(config.name))
    assert folder.parent == root
    assert len(config.name.encode()) < 256
