"""Every command that the README shows runs as it is shown, as far as it needs no cloud.

In a folder where the sweeps have a tiny model and made data. What trains for hours elsewhere is
planned only; what cannot be run here is listed with the reason, and its form is checked.
"""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
from pathlib import Path

import click
import pytest
from ray.scripts.scripts import cli as ray_cli

from doge_ray.__main__ import main
from tests.docs.quickstart import Quickstart, in_shell
from tests.docs.readme import commands, fenced
from tests.engine.project import ROOT

PLANNED = "--dry-run"
RUN = {
    "doge-ray": "",
    "doge-ray sweeps": "",
    "doge-ray sweep --help": "",
    "doge-ray cluster copy": "",
    "doge-ray report quickstart": "",
    "doge-ray score quickstart model=runs/quickstart/models/dense out=scores.parquet": "",
    "doge-ray ticket scores=scores.parquet kind=doge variance_weight=10 sparsity=0.2 "
    "out=ticket.json": "",
    "doge-ray doctor": "--help",  # with a sweep it looks at more
    "doge-ray doctor amazon": "",
    "doge-ray sweep amazon --dry-run": "",
    "doge-ray sweep amazon": PLANNED,
    "doge-ray sweep amazon split=B name=amazon-b": PLANNED,
    "doge-ray sweep amazon-large": PLANNED,
    "doge-ray sweep lambda": PLANNED,
    "doge-ray sweep mnli-domains": PLANNED,
    "doge-ray sweep ontonotes data.root=DIR": PLANNED,
    "doge-ray sweep released-scoring": PLANNED,
    "doge-ray sweep table2": PLANNED,
    "doge-ray sweep tickets": PLANNED,
    "doge-ray sweep transition": PLANNED,
    "python -m doge_ray.sweep amazon": PLANNED,
    ". .venv/bin/activate": "&& command -v doge-ray",
}
"""What is run, with what is added to it."""
NEEDS_A_CLUSTER = "a cluster; tests/engine and the rehearsals have one"
NOT_RUN = {
    "make quickstart": "makes an environment; the sweep that it runs then is run below",
    "make test": "this",
    "make ui": "serves until it is ended",
    "make bench": "half an hour",
    "make lint": "the checks around these tests",
    "pip": "a word for the program",
    "pip install --constraint constraints.txt .": "gigabytes; tests/package installs a wheel",
    "doge-ray sweep amazon --submit": NEEDS_A_CLUSTER,
    "ray job stop amazon-1": NEEDS_A_CLUSTER,
    "ray get-auth-token --generate": "writes into the home folder",
    "ray up cluster.yaml": "a cloud",
    "ray exec cluster.yaml --tmux 'doge-ray sweep amazon'": "a cloud",
    "ray attach cluster.yaml --tmux": "a cloud",
    "ray down cluster.yaml": "a cloud",
}
QUICK = [line for line in RUN if RUN[line] == PLANNED or line.endswith(PLANNED)]
REAL = [line for line in RUN if line not in QUICK]


def test_every_command_is_run_or_listed_with_the_reason() -> None:
    assert sorted(commands()) == sorted([*RUN, *NOT_RUN])


@pytest.mark.ray
@pytest.mark.parametrize("line", REAL)
def test_it_runs(line: str, quickstart: Quickstart) -> None:
    assert in_shell(f"{line} {RUN[line]}", quickstart.folder)


@pytest.mark.ray
def test_a_sweeps_last_lines_can_be_copied(quickstart: Quickstart) -> None:
    results, compare = (
        re.search(rf"^{word} +(.*)$", quickstart.printed, re.MULTILINE)[1]
        for word in ("results", "compare")
    )
    assert in_shell(f"ls {results}/report.html", quickstart.folder)
    *program, uri = shlex.split(compare)
    assert program == ["mlflow", "ui", "--backend-store-uri"]
    assert uri == f"sqlite:///{quickstart.folder}/runs/mlflow.db"
    assert in_shell(f"{shlex.join(program[:2])} --help", quickstart.folder)


@pytest.mark.ray
def test_the_model_loads_as_the_readme_says(
    quickstart: Quickstart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(quickstart.folder)
    script = quickstart.folder / "load.py"
    script.write_text(fenced("python"))
    runpy.run_path(str(script))
    assert (quickstart.folder / "stock-layout/model.safetensors").is_file()


@pytest.mark.parametrize("line", QUICK)
def test_it_is_planned(
    line: str, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: each in one of its own would load torch again."""
    monkeypatch.chdir(checkout)
    for name in ("RAY_ADDRESS", "MLFLOW_TRACKING_URI", "DOGE_RAY_STORAGE"):
        monkeypatch.delenv(name, raising=False)
    words = shlex.split(line.replace("python -m doge_ray.", "doge-ray "))
    main([*words[1:], *RUN[line].split()])
    assert "trainings at most" in capsys.readouterr().out


@pytest.mark.parametrize("line", [line for line in NOT_RUN if line.startswith("ray ")])
def test_ray_has_that_command_with_these_options(line: str) -> None:
    _, *words = shlex.split(line)
    command: click.Command = ray_cli
    context = click.Context(command)
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
        assert command is not None
    command.make_context(command.name, words)


@pytest.mark.parametrize("line", [line for line in NOT_RUN if line.startswith("make ")])
def test_make_has_that_target(line: str) -> None:
    target = line.removeprefix("make ")
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_make_quickstart_makes_what_is_activated_and_runs_the_sweep() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "quickstart"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown.strip().endswith(".venv/bin/python -m doge_ray.sweep quickstart")
