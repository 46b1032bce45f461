"""What is printed for a shell is what the shell then runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from doge_ray.shell import called, command_line

WORDS = ["a b", "it's", "$HOME", "x*", "", "--key=v;w"]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment's own program, beside its interpreter, in a folder with a space."""
    place = tmp_path / "an environment/bin/show"
    place.parent.mkdir(parents=True)
    place.write_text('#!/bin/sh\nfor word in "$0" "$@"; do echo "$word"; done\n')
    place.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(place.with_name("python")))
    monkeypatch.chdir(tmp_path)
    return place


def printed_by(line: str) -> list[str]:
    run = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_a_line_runs_the_environments_program_with_the_words_as_they_are(program: Path) -> None:
    path, *words = printed_by(command_line("show", *WORDS))
    assert Path(path).resolve() == program
    assert words == WORDS


def test_a_program_is_named_from_here_where_that_is_short(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command_line("show") == "'an environment/bin/show'"
    (tmp_path / "beside").mkdir()
    for elsewhere in (program.parent, tmp_path / "beside"):
        monkeypatch.chdir(elsewhere)
        assert printed_by(command_line("show")) == [str(program)]


def test_a_program_that_path_leads_to_is_named_alone(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    assert command_line("show", "a") == "show a"


def test_another_environments_program_is_not_taken_for_it(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other/show"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:/usr/bin:/bin")
    assert Path(printed_by(command_line("show"))[0]).resolve() == program


def test_a_program_that_is_not_installed_is_named_all_the_same(program: Path) -> None:
    assert command_line("unknown", "x") == "unknown x"


@pytest.mark.parametrize(
    ("started", "shown"),
    [
        ("/some/bin/doge-ray", "doge-ray sweep"),
        ("/some/doge_ray/__main__.py", "python -m doge_ray sweep"),
        ("/some/doge_ray/sweep.py", "python -m doge_ray.sweep"),
    ],
)
def test_help_names_the_command_as_it_was_called(
    started: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [started, "--help"])
    assert called("sweep") == shown
