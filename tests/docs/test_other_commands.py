"""Commands that stand in the docs, in the sweeps and the cluster files: of the right form."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from doge_ray.__main__ import COMMANDS
from tests.engine.project import ROOT

FILES = [
    ROOT / "README.md",
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("sweeps/*.yaml"),
    *ROOT.glob("cluster*.yaml"),
    *ROOT.glob("notebooks/*.ipynb"),
]
CALL = re.compile(r"(?:doge-ray |python -m doge_ray\.)([a-z]+)([^`'#|;>\n]*)")


def calls(file: Path) -> list[tuple[str, list[str]]]:
    """Each command with its words, across lines that end in a backslash."""
    text = re.sub(r"\\\n[# ]*", "", file.read_text()).replace('\\"', "`").replace("\\n", "\n")
    return [(name, shlex.split(words)) for name, words in CALL.findall(text)]


def test_there_are_some() -> None:
    assert sum(len(calls(file)) for file in FILES) > 30


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_they_are_commands_with_arguments_they_take(file: Path) -> None:
    for name, words in calls(file):
        assert name in COMMANDS
        parser = import_module(f"doge_ray.{name}")._parser()
        has_actions = name in ("sweeps", "cluster")
        if words and "--help" not in words:
            (parser.parse_args if has_actions else parser.parse_intermixed_args)(words)
