"""Each section of docs/extending.md is a program: its Python blocks, in order, in one process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.project import ROOT, environment

PAGE = ROOT / "docs" / "extending.md"


def programs() -> dict[str, str]:
    """The program of each section, by its heading.

    All other lines of the page are left empty, so that an error names the page's line.
    """
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    found: dict[str, list[str]] = {}
    heading, inside = "", False
    for number, line in enumerate(lines):
        inside = inside and line != "```"
        if inside:
            found.setdefault(heading, [""] * len(lines))[number] = line
        elif line.startswith("## "):
            heading = line.removeprefix("## ")
        inside = inside or line == "```python"
    return {heading: "\n".join(program) for heading, program in found.items()}


def test_there_are_sections_to_run() -> None:
    assert "An encoder family" in programs()


@pytest.mark.parametrize("section", programs())
def test_a_section_runs_as_printed(section: str, tmp_path: Path) -> None:
    program = tmp_path / PAGE.with_suffix(".py").name
    program.write_text(programs()[section], encoding="utf-8")
    result = subprocess.run(
        [sys.executable, program.name],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stderr
