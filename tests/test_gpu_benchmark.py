"""The benchmark for GPUs, on a processor: all of it that needs none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from benchmarks import gpu
from benchmarks.device import correctness
from tests.engine.project import ROOT

ALONE = """
import sys
from benchmarks import gpu
gpu.main(["--device", "cpu"])
assert not {"ray", "mlflow", "optuna"} & set(sys.modules)
"""


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
