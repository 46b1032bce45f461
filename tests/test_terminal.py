"""Foreign text reaches a terminal in one way, as text: no markup, no control characters."""

from __future__ import annotations

import ast
import io
import sys
import unicodedata
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from doge_ray.domains.audit import Audit, SplitAudit, audit_overview
from doge_ray.engine.search.progress import SweepProgress
from doge_ray.reporting.tables import Table as Cells
from doge_ray.reporting.tables import markdown, terminal
from doge_ray.terminal import make_console, say, shown, write
from tests.engine.project import run_here

PACKAGE = Path(__file__).resolve().parents[1] / "doge_ray"
HOSTILE = [
    "news[/uk]",
    "[red]neg[/red]",
    "[neg]",
    ":smile:",
    "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\rb",
    "a\x08b",
    "\u202egnp.txt",
    "half \ud83d",
    "a|b",
    "line\nend",
]
ORDERS = {chr(code) for code in [*range(32), 127, *range(128, 160), 0x202E]} - {"\n", "\t"}


def test_there_is_no_other_way() -> None:
    """What prints, formats markup or reports a wrong command line stands in one file each."""
    allowed = {
        "print": {"terminal.py"},
        "Console": {"terminal.py"},
        "ArgumentParser": {"arguments.py"},
        "from_markup": set(),
        "escape": set(),
    }
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            module, _, name = called.rpartition(".")
            if name in allowed and module not in ("re", "html", "console", "self.console"):
                assert file.name in allowed[name], f"{file}, line {node.lineno}: {called}"
            assert not called.startswith(("sys.stdout.w", "sys.stderr.w")), file


def is_order(letter: str) -> bool:
    """By what Unicode says of it."""
    is_control = unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") and letter not in "\n\t"
    turns = unicodedata.bidirectional(letter) in TURNS or letter in "\u200e\u200f\u061c"
    return is_control or turns or letter in "\u200b\u2060\ufeff\ufff9\ufffa\ufffb"


TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(st.characters(codec=None), max_size=40))
def test_shown_orders_nothing_and_loses_nothing_else(text: str) -> None:
    letters = [x.encode("unicode_escape").decode() if is_order(x) else x for x in text]
    assert shown(text) == "".join(letters)


def test_every_letter_is_told_apart_from_orders() -> None:
    every = map(chr, range(sys.maxunicode + 1))
    assert [x for x in every if (shown(x) != x) != is_order(x)] == []


def displayed(print_to: object) -> str:
    output = io.StringIO()
    with redirect_stdout(output):
        print_to()  # type: ignore[operator]
    return output.getvalue()


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_as_they_are(name: str) -> None:
    part = SplitAudit("train", name, (1, 2), 0, 0)
    target = SplitAudit("test", name, (1, 2), 0, 1)
    cells = Cells([name, "metric"], [[name, "1"]])

    def everything() -> None:
        console, table = make_console(), Table(name)
        table.add_row(name)
        console.print(table)
        console.print(terminal(cells, name))
        console.print(audit_overview(Audit((name, "b"), 8, (part, target))))
        say(console, "results", name)
        progress = SweepProgress(console)
        progress.line(f"{name} goes on")
        progress.trial_failed(name, name)
        write(name)

    output = displayed(everything)
    assert not ORDERS & set(output)
    for line in shown(name).split("\n"):
        assert output.count(line) >= 8
    assert len(markdown(cells).splitlines()) == 3
    assert all(line.replace("\\|", "").count("|") == 3 for line in markdown(cells).splitlines())


def test_errors_and_wrong_command_lines() -> None:
    ended = run_here("sweep", "no\x1b[2Jsuch[/x]")
    assert (ended.returncode, "\x1b" in ended.stderr) == (2, False)
    assert "no\\x1b[2Jsuch[/x]" in ended.stderr
    ended = run_here("sweep", "quickstart", "--dryrun\x1b[2J")
    assert (ended.returncode, "\x1b" in ended.stderr) == (2, False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sweep", "quickstart", "--dryrun"], "--dryrun; did you mean '--dry-run'?"),
        (["sweep", "quickstart", "--adress=x"], "did you mean '--address'?"),
        (["sweep"], "the following arguments are required: name\n"),
        (["report"], "the following arguments are required: name\n"),
    ],
)
def test_a_wrong_command_line_names_what_was_meant(arguments: list[str], message: str) -> None:
    ended = run_here(*arguments)
    assert ended.returncode == 2
    assert message in ended.stderr
