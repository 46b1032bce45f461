"""What the package never does: load pickles, run strings, trust code that comes with data.

Ruff's rules say so (``S`` and the banned names in pyproject.toml); here each is tried, so that none
is switched off unseen. Options of readers that no rule knows are looked for in the syntax.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "pickle": "import pickle\npickle.load(file)",
    "dill": "import dill\ndill.loads(data)",
    "marshal": "import marshal\nmarshal.loads(data)",
    "shelve": "import shelve\nshelve.open(path)",
    "pandas' pickles": "import pandas as pd\npd.read_pickle(path)",
    "joblib": "import joblib\njoblib.load(path)",
    "cloudpickle": "import cloudpickle\ncloudpickle.loads(data)",
    "any YAML": "import yaml\nyaml.load(text, yaml.UnsafeLoader)",
    "eval": "eval(text)",
    "exec": "exec(text)",
    "a shell": "import subprocess\nsubprocess.run(command, shell=True)",
    "another shell": "import os\nos.system(command)",
    "whole archives": "import tarfile\ntarfile.open(path).extractall()",
    "weak temporary names": "import tempfile\ntempfile.mktemp()",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_what_can_run_code_is_refused_by_the_linter(what):
    command = [sys.executable, "-m", "ruff", "check", "--select", "S,TID251", "--no-cache"]
    name = str(ROOT / "doge_ray/any.py")
    check = subprocess.run(
        [*command, "--stdin-filename", name, "-"],
        input=FORBIDDEN[what] + "\n",
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert check.returncode == 1, check.stdout + check.stderr


def test_the_linter_is_told_so():
    settings = (ROOT / "pyproject.toml").read_text()
    assert '"S", "TID251"]' in settings


CAREFUL = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "from_pretrained": ("trust_remote_code", False),
}


def test_readers_that_could_run_code_are_told_not_to():
    found = [call for file in (ROOT / "doge_ray").rglob("*.py") for call in _calls(file)]
    assert {reader for reader, _ in found} == set(CAREFUL)
    for reader, call in found:
        option, safe = CAREFUL[reader]
        told = [ast.literal_eval(each.value) for each in call.keywords if each.arg == option]
        assert told == [safe], ast.unparse(call)


def _calls(file: Path) -> list[tuple[str, ast.Call]]:
    """The calls of a file that ``CAREFUL`` speaks of."""
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    names = [(ast.unparse(call.func), call) for call in calls]
    return [
        (reader, call)
        for name, call in names
        for reader in CAREFUL
        if name == reader or name.endswith(f".{reader}")
    ]


def test_weights_are_read_from_safetensors_alone():
    calls = [call for _, call in _calls(ROOT / "doge_ray/encoders/stock.py")]
    options = [ast.unparse(each) for call in calls for each in call.keywords]
    assert "use_safetensors=True" in options
