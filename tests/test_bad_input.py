"""What a user can get wrong: one message with value, place and remedy, and exit code 2."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.engine.project import make_project, run, run_here

Spoil = Callable[[Path], list[str]]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    make_project(folder)
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    """The template's model and data, with a configuration of its own."""
    settings = yaml.safe_load((template / "sweep.yaml").read_text())
    settings["storage"] = str(tmp_path / "runs")
    settings["data"]["path"] = str(tmp_path / "data.jsonl")
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "data.jsonl").write_text((template / "data.jsonl").read_text())
    return tmp_path


def _line(project: Path, number: int, line: str) -> list[str]:
    lines = (project / "data.jsonl").read_text().splitlines()
    lines[number - 1] = line
    (project / "data.jsonl").write_text("\n".join(lines))
    return []


def _without_label(project: Path) -> list[str]:
    lines = (project / "data.jsonl").read_text().splitlines()
    kept = [line for line in lines if '"label": 1, "domain": "red"' not in line]
    (project / "data.jsonl").write_text("\n".join(kept))
    return []


def _model(project: Path, config: dict[str, object]) -> list[str]:
    folder = project / "other"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return [f"model={folder}"]


def _blocked(project: Path) -> list[str]:
    (project / "file").write_text("")
    return [f"storage={project / 'file' / 'runs'}"]


CASES: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "misspelt key": (
        lambda project: ["train.max_epoch=3"],
        ("train.max_epoch", "sweep.yaml", "train.max_epochs"),
    ),
    "impossible sparsity": (
        lambda project: ["search.sparsity=1.2"],
        ("search.sparsity=1.2", "sweep.yaml", "0 <= sparsity < 1"),
    ),
    "unknown domain": (
        lambda project: ["data.target_domains=[gray]"],
        ("gray", "target_domains", "grey"),
    ),
    "overlapping source and target": (
        lambda project: ["data.target_domains=[grey, red]"],
        ("red", "source_domains", "target_domains"),
    ),
    "missing file": (
        lambda project: [f"data.path={project / 'none.jsonl'}"],
        ("none.jsonl", "data.path"),
    ),
    "label absent from a split": (_without_label, ("'1'", "red", "train")),
    "broken JSON line": (
        lambda project: _line(project, 7, '{"text": "w1 w2", "label": 1'),
        ("data.jsonl, line 7", "JSON"),
    ),
    "empty text": (
        lambda project: _line(project, 9, '{"text": " ", "label": 1, "domain": "red"}'),
        ("data.jsonl, line 9", "empty"),
    ),
    "model without weights": (
        lambda project: _model(project, {"model_type": "bert"}),
        ("other", "without weights", "model.safetensors"),
    ),
    "unsupported architecture": (
        lambda project: _model(project, {"model_type": "albert"}),
        ("albert", "config.json", "modernbert"),
    ),
    "batch size not divisible by workers": (
        lambda project: ["search.batch_size=[16, 33]", "resources.trial_workers=2"],
        ("search.batch_size=33", "resources.trial_workers=2", "multiple"),
    ),
    "no write permission": (_blocked, ("storage=", "file/runs", "storage=FOLDER")),
    "not a setting": (lambda project: ["sparsity"], ("'sparsity'", "key=value")),
    "unknown model": (
        lambda project: ["model=package:no_such_package/model"],
        ("no_such_package", "pip install"),
    ),
    "too sparse for the model": (
        lambda project: ["search.sparsity=0.9", "scoring.min_heads=1"],
        ("search.sparsity=0.9", "min_heads=1", "lower"),
    ),
    "too few rows of a domain in a batch": (
        lambda project: ["methods=[dense, coral]", "search.batch_size=[3]"],
        ("search.batch_size=3", "coral", "'red'", "larger"),
    ),
}
# What only the model's shape or the tokenised text can tell.
LATE = ("too sparse for the model", "too few rows of a domain in a batch")


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_explained(case: str, project: Path) -> None:
    spoil, expected = CASES[case]
    arguments = spoil(project)
    check(run_here("sweep", str(project / "sweep.yaml"), *arguments), expected)
    assert not (project / "runs/store").exists() or case in LATE


def test_the_process_ends_as_it_should(project: Path) -> None:
    spoil, expected = CASES["misspelt key"]
    check(run("sweep", str(project / "sweep.yaml"), *spoil(project)), expected)


def check(result: subprocess.CompletedProcess[str], expected: tuple[str, ...]) -> None:
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert result.stderr.count("error:") == 1
    for words in expected:
        assert words in result.stderr
