"""What stands beside the package for those who change it, held against what make does."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
JOB = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["run"]


def test_the_workflow_runs_what_is_run_here_with_every_python_that_is_promised() -> None:
    versions = JOB["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={versions[0]}"
    assert versions == ["3.11", "3.12", "3.13"]
    [last] = [step for step in JOB["steps"] if step.get("run") == ".ci/run"]
    assert last["env"]["PYTHON"] == "python${{ matrix.python }}"


def test_the_workflows_actions_are_named_by_their_commits() -> None:
    used = [step["uses"] for step in JOB["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used), used


def test_make_takes_the_python_that_it_is_told() -> None:
    told = os.environ | {"PYTHON": "python9.9"}
    command = ["make", "--dry-run", "--what-if=pyproject.toml", "venv"]
    shown = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=True)
    assert "python9.9 -m venv .venv" in shown.stdout


def test_the_hooks_check_what_make_lint_checks_with_the_same_tools() -> None:
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [each["repo"] for each in repositories] == ["local"]
    hooks = {hook["entry"].replace(" --force-exclude", "") for hook in repositories[0]["hooks"]}
    command = ["make", "--dry-run", "lint"]
    shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    linted = {
        line for line in shown.splitlines() if re.match(r"\.venv/bin/(ruff|mypy|lint-)", line)
    }
    assert hooks == {re.sub(r"( --check)?( \.)?$", "", line) for line in linted}
