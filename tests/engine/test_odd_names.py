"""A sweep whose domains, labels and storage look like orders to whatever they pass through."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow.tracking import MlflowClient

from doge_ray.engine.tracking.server import tracking_uri
from tests.engine.project import make_project, run
from tests.test_terminal import ORDERS

pytestmark = pytest.mark.ray

STORAGE = "50%20 off? #2 [x] é"
DOMAINS = {"red": "news[/uk]", "green": "a|b\x1b[2J", "blue": "sci/tech", "grey": "<i>sci_tech</i>"}
LABELS = ["[neg]", "=pos:smile:"]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    *sources, target = DOMAINS.values()
    make_project(
        folder,
        storage=str(folder / STORAGE),
        methods=["dense", "doge"],
        search={"num_trials": 1},
        train={"max_epochs": 1},
        data={"source_domains": sources, "target_domains": [target]},
    )
    rows = [json.loads(line) for line in (folder / "data.jsonl").read_text().splitlines()]
    for row in rows:
        row |= {"domain": DOMAINS[row["domain"]], "label": LABELS[row["label"]]}
    (folder / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_all_of_them_come_through(project: Path) -> None:
    there = {each.name for each in project.iterdir()}
    ended = run("sweep", str(project / "sweep.yaml"))
    assert ended.returncode == 0, ended.stderr
    assert {each.name for each in project.iterdir()} == there | {STORAGE}
    assert not ORDERS & {*ended.stdout, *ended.stderr}
    for name in ("news[/uk]", r"a|b\x1b[2J", "sci/tech", "<i>sci_tech</i>", *LABELS):
        assert name in ended.stdout
    assert f"results  '{project / STORAGE}/tiny'" in ended.stdout

    results = project / STORAGE / "tiny"
    page = (results / "report.html").read_text()
    assert "<i>" not in page
    assert "<i>sci_tech</i>" in unescape(page)
    table = [line for line in (results / "summary.md").read_text().splitlines() if line[:1] == "|"]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1
    rows = pq.read_table(results / "trials.parquet").to_pylist()
    assert {row["status"] for row in rows} == {"finished"}

    client = MlflowClient(tracking_uri(str(project / STORAGE)))
    (experiment,) = client.search_experiments(filter_string="name = 'doge_ray'")
    found = client.search_runs([experiment.experiment_id])
    assert {each.info.status for each in found} == {"FINISHED"}
    dense = next(each for each in found if each.info.run_name == "dense-0000-0")
    assert len([key for key in dense.data.metrics if "sci_tech" in key]) >= 2
