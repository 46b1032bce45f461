"""Notebooks are committed with their outputs, those of the code as it is now."""

from __future__ import annotations

import base64
import io
import re
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from nbformat import NotebookNode
from PIL import Image

from doge_ray.reporting.figures.gallery import GALLERY
from doge_ray.reporting.records import SweepRecords
from tests.notebooks.committed import NOTEBOOKS, STALE, clean, code_cells, look, origin, read

EACH = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
MACHINE = re.compile(r"/(root|home|Users|tmp|usr|opt|work)/|site-packages|\d\d:\d\d:\d\d")


def paper() -> NotebookNode:
    return read(next(path for path in NOTEBOOKS if path.stem == "paper"))


@EACH
def test_the_outputs_are_those_of_the_code(path: Path) -> None:
    notebook = read(path)
    assert notebook.metadata.get("doge_ray") == origin(notebook), f"{path.name}: {STALE}"


@EACH
def test_every_cell_was_executed_in_order_and_without_an_error(path: Path) -> None:
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    for cell in cells:
        assert cell.outputs, cell.source
        assert "error" not in {output.output_type for output in cell.outputs}


@EACH
def test_nothing_of_the_machine_is_committed(path: Path) -> None:
    notebook = read(path)
    again = deepcopy(notebook)
    clean(again)
    assert again.cells == notebook.cells
    for output in (output for cell in code_cells(notebook) for output in cell.outputs):
        output.get("data", {}).pop("image/png", None)
        assert MACHINE.search(str(output)) is None
    assert path.stat().st_size < 500_000


def test_the_papers_pictures_are_there() -> None:
    cells = code_cells(paper())
    outputs = [output for cell in cells for output in cell.outputs]
    pictures = [out.data["image/png"] for out in outputs if "image/png" in out.get("data", {})]
    shown = [cell for cell in cells if re.search(r"^(show|picture)\(", cell.source, re.MULTILINE)]
    assert len(pictures) == len(shown) >= 8
    for picture in pictures:
        width, height = Image.open(io.BytesIO(base64.b64decode(picture))).size
        assert min(width, height) > 100


def test_other_code_is_noticed() -> None:
    for path in NOTEBOOKS:
        notebook = read(path)
        before = origin(notebook)
        notebook.cells[0].source += " Words may change."
        assert origin(notebook) == before
        code_cells(notebook)[-1].source += "  # one space"
        assert origin(notebook)["code"] != before["code"]


def test_a_figure_that_changes_is_noticed() -> None:
    first, *others = GALLERY

    def with_one_more_line(records: SweepRecords) -> Figure:
        figure = first.draw(records)
        figure.axes[0].axvline(0.1)
        return figure

    assert look((replace(first, draw=with_one_more_line), *others)) != look()
