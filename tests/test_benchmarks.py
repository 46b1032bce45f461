"""Benchmarks can be started; that for GPUs shows on a processor all that needs none."""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import gpu
from benchmarks.device import correctness
from benchmarks.device.sizes import LARGE
from benchmarks.sweep import planned
from benchmarks.workers import calculated
from doge_ray.config import load_config
from doge_ray.engine.dry_run import _time_table
from doge_ray.engine.schedule.simulation import Simulated
from tests.engine.project import ROOT

ALONE = """
import sys
from benchmarks import gpu
gpu.main(["--device", "cpu"])
assert not {"ray", "mlflow", "optuna"} & set(sys.modules)
"""


@pytest.mark.parametrize("file", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda f: f.stem)
def test_it_can_be_started(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(f"benchmarks.{file.stem}")
    if hasattr(module, "main"):
        assert f"python -m {module.__name__}" in (ROOT / "Makefile").read_text()
        with pytest.raises(SystemExit) as ended:
            module.main(["--help"])
        assert ended.value.code == 0
        assert f"benchmarks.{file.stem}" in capsys.readouterr().out


class Foreseen:
    """A forecast that knows how it ends."""

    def on(self, devices: int) -> Simulated:
        return Simulated(300.0 / devices, 270.0, devices)


def test_of_a_plan_its_first_row_is_told() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(_time_table(Foreseen(), [2, 8], load_config("quickstart")))  # type: ignore[arg-type]
    assert planned(console.file.getvalue()) == "2 min, 90% busy"  # type: ignore[attr-defined]


def test_spreading_costs_nothing_where_nothing_is_sent_and_all_where_that_takes_longest() -> None:
    alone = calculated(LARGE, 1, 1e12, 1e9)
    assert alone == LARGE.step_flops / 1e12
    assert calculated(LARGE, 4, 1e12, 1e30) == alone / 4
    assert calculated(LARGE, 4, 1e12, 1e6) > alone


def test_on_a_processor_everything_holds_and_neither_ray_nor_mlflow_is_needed() -> None:
    command = [sys.executable, "-c", ALONE]
    wide = {**os.environ, "COLUMNS": "200"}
    result = subprocess.run(command, cwd=ROOT, env=wide, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("yes") == 3
    for measured in ("of the Trainer", "scoring in bf16", "a snapshot of", "two processes"):
        assert measured in result.stdout


def test_what_does_not_hold_ends_it_with_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {"bert": 0.5}
    monkeypatch.setattr(correctness, "scores", lambda variant, device: wrong.get(variant, 0.0))
    monkeypatch.setattr(gpu, "figures", lambda device, *rest: correctness.correctness(device))
    with pytest.raises(SystemExit) as ended:
        gpu.main(["--device", "cpu"])
    assert ended.value.code == 1
    assert "5.0e-01 (bert)" in capsys.readouterr().out
