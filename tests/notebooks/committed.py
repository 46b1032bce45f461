"""What is committed of an executed notebook, and by what it shows that it is stale.

Its outputs hold nothing of the machine that made them: no warnings, paths, durations, and a picture
in one form. Its metadata say from which code they came, and how figures looked at that time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import nbformat
from matplotlib.figure import Figure
from matplotlib.text import Text
from nbclient import NotebookClient
from nbformat import NotebookNode

from doge_ray.reporting.figures.drawing import Plan
from doge_ray.reporting.figures.gallery import GALLERY
from doge_ray.reporting.figures.style import styled
from doge_ray.reporting.mask_picture import mask_picture
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.summary import summary_markdown
from doge_ray.reporting.verdict import oracle_table
from tests.engine.project import ROOT, environment
from tests.reporting.full import FULL

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STALE = "its outputs were made by other code: make notebooks"

_FOLDER = re.compile(r"\S*/your-data-\w+/")
_DURATION = re.compile(r"\b\d+(\.\d+)?(e[+-]\d+)? (ms|s|min|hours)\b")
_TIMES = re.compile(r"[^\n]*how long, at most.*?┘", re.DOTALL)  # a table of this machine alone


def read(path: Path) -> NotebookNode:
    """A notebook as it is committed."""
    return nbformat.read(path, as_version=4)


def execute(notebook: NotebookNode, folder: Path) -> None:
    """Run all cells in a folder; their outputs replace those that are there."""
    known = {**environment(), "PYTHONPATH": str(ROOT)}
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.execute(env=known)


def clean(notebook: NotebookNode) -> None:
    """Take away what another machine or another minute would make otherwise."""
    for cell in code_cells(notebook):
        cell.metadata = {}
        cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
        for output in cell.outputs:
            if "text" in output:
                output.text = _without_the_machine(output.text)
            if "image/png" in output.get("data", {}):
                output.data = {"image/png": output.data["image/png"]}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}


def _without_the_machine(text: str) -> str:
    return _DURATION.sub("…", _TIMES.sub("how long, at most: …", _FOLDER.sub("", text)))


def record(notebook: NotebookNode) -> None:
    """Write down from what the outputs came."""
    notebook.metadata["doge_ray"] = origin(notebook)


def origin(notebook: NotebookNode) -> dict[str, str]:
    """What the outputs come from: digests of the code, and of what it shows of the report."""
    code = [cell.source for cell in code_cells(notebook)]
    shows_report = any("doge_ray.reporting" in source for source in code)
    return {"code": _digest(code)} | ({"look": look()} if shows_report else {})


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Those that are executed."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@cache
def look(gallery: Sequence[Plan[SweepRecords]] = GALLERY) -> str:
    """A digest of what tables and figures show of a made-up sweep.

    Of figures their texts, and of which parts they are; not where a line runs, as the last bits of
    that differ between machines.
    """
    oracle = oracle_table(FULL)
    tables = [summary_markdown(FULL), list(oracle.header), *map(list, oracle.rows)]
    ticket = next(row.drawn for row in FULL.rows if row.drawn)
    figures = [*(plan.draw(FULL) for plan in gallery), mask_picture(ticket)]
    return _digest([*tables, *map(_parts, figures)])


@styled
def _parts(figure: Figure) -> list[tuple[str, str]]:
    figure.draw_without_rendering()  # ticks get their labels
    artists = figure.findobj()
    return [(type(a).__name__, a.get_text() if isinstance(a, Text) else "") for a in artists]


def _digest(parts: Iterable[object]) -> str:
    text = json.dumps(list(parts), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
