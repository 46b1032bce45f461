"""Names that people give: domains, labels, folders. Through all that a sweep does with them.

Config, audit, training, tables, page, exported model and MLflow: nothing merged, nothing lost,
nothing raw on the terminal.
"""

from __future__ import annotations

import atexit
import csv
import io
import json
import shutil
import tempfile
import unicodedata
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from html import unescape
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import torch
import yaml
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from doge_ray.config import load_config
from doge_ray.domains.audit import audit_overview
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.folders import load_model
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import Prepared, prepare
from doge_ray.engine.results.folder import claim_folder
from doge_ray.engine.results.models import publish_models
from doge_ray.engine.results.writing import publish_tables
from doge_ray.engine.tracking.server import tracking_uri
from doge_ray.engine.tracking.tracker import Tracker
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import replicates
from doge_ray.engine.trials.journal import Entry, Journal
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.jobs import evaluation_job
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import training_job
from doge_ray.reporting.comparison import with_oracle
from doge_ray.reporting.sweep_page import sweep_page
from doge_ray.reporting.tables import terminal
from doge_ray.seeds import derive_seed
from doge_ray.stages.world import World
from doge_ray.terminal import make_console, shown
from tests.engine.project import make_project
from tests.fuzz.box import answer
from tests.fuzz.spoilt import NAMES

_PARTS = (
    *("[red]", "[/uk]", "[/]", ":smile:", "<b>", "</td>", "&amp;", "{{ name }}", "{% raw %}"),
    *("%20", "%41", "?", "#", " #2", "://", "../", "..", "/", "\\", "~", "*", "$HOME", "`id`"),
    *("|", "||", "---", "**", "__", "](x)", "'", '"', ";", "&&", ">", "no", "null", "2019", "1.0"),
    *("\x1b[2J", "\x07", "\x9b1m", "\r", "\n", "\t", "\x00", "\u202e", "\u2028", "\ufeff", "\x85"),
    *(
        "é",
        "e\u0301",
        "Å",
        "\u212b",
        "ﬁ",
        "İ",
        "ß",
        "目标",
        "👩‍🚀",
        "a" * 300,
        " ",
        "-",
        "--x",
        "=",
        "@",
    ),
)
name = st.one_of(
    st.lists(st.sampled_from(_PARTS), min_size=1, max_size=3).map("".join),
    st.tuples(st.sampled_from(["a", "sci"]), st.sampled_from(_PARTS)).map("".join),
    st.sampled_from(NAMES),
    st.text(min_size=1, max_size=12),
)
ORDERS = {chr(code) for code in [*range(32), 127, *range(128, 160), 0x202E, 0x2028]} - {"\n", "\t"}


class Case(NamedTuple):
    domains: list[str]
    labels: list[str]
    storage: str
    form: str


def _one_form(text: str) -> str:
    return unicodedata.normalize("NFC", text)


_drawn = st.builds(
    Case,
    st.lists(name, min_size=3, max_size=8, unique_by=_one_form),
    st.lists(name, min_size=2, max_size=3, unique_by=_one_form),
    name,
    st.sampled_from(["jsonl", "csv"]),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    _made()  # outside of the box
    return draw(_drawn)


@cache
def _made() -> Path:
    """A tiny model, and MLflow's database, which takes seconds to make."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-names-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_project(folder)
    uri = f"sqlite:///{folder}/mlflow.db"
    MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    return folder


def check(box: Path, case: Case) -> None:
    """Refused with its place, or whole to the end."""
    output, place = io.StringIO(), patch.object(tempfile, "tempdir", str(box))
    with redirect_stdout(output), redirect_stderr(output), place:
        answer(lambda: _sweep(box, case), "sweep.yaml", f"data.{case.form}", "data.", "storage")
    seen = output.getvalue()
    assert not ORDERS & set(seen), repr(seen)
    if (box / "table").exists():
        for each in case.domains:
            first = shown(_one_form(each)).split("\n")[0].split("\t")[0].strip()
            assert first[:12] in seen, (each, seen)


def _sweep(box: Path, case: Case) -> None:
    *sources, target = case.domains
    _write_data(box, case)
    settings = yaml.safe_load((_made() / "sweep.yaml").read_text())
    settings["data"] |= {"path": f"data.{case.form}", "source_domains": sources}
    settings["data"]["target_domains"] = [target]
    settings["train"]["max_epochs"] = 1
    # One part of a path: what leads elsewhere is its owner's choice.
    settings["storage"] = f"at/{case.storage.replace('/', '_').replace('..', '_')}"
    settings["methods"] = ["dense"]
    (box / "sweep.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    config = load_config("sweep.yaml")
    corpus = load_corpus(config.data)
    named = tuple(_one_form(domain) for domain in case.domains)
    assert (*corpus.source_domains, *corpus.target_domains) == named
    assert len(corpus.label_names) == len(case.labels)
    assert [len(text) for text in corpus.test.values()] == [6 * len(case.labels)]
    prepared = prepare(config, corpus, find_model(config.model))
    make_console().print(audit_overview(prepared.data.audit))
    claim_folder(prepared.results, prepared.graph, prepared.data.audit)
    _report(box, _trained(prepared), prepared, case)
    _track(prepared, named)


def _write_data(box: Path, case: Case) -> None:
    rows = [
        {"text": f"w{n % 20} w{label}", "label": case.labels[label], "domain": domain}
        for domain in case.domains
        for n in range(6)
        for label in range(len(case.labels))
    ]
    with (box / f"data.{case.form}").open("w", newline="", encoding="utf-8", errors="ignore") as to:
        if case.form == "jsonl":
            to.write("\n".join(map(json.dumps, rows)))
        else:
            writer = csv.DictWriter(to, rows[0], quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)


def _trained(prepared: Prepared) -> Book:
    """A trial and a repeat of dense, in this process."""
    config, world = prepared.config, World.current(torch.device("cpu"))
    pipeline = Pipeline.of(prepared.graph, prepared.store)
    journal = Journal(prepared.results, config.name)
    first = Assignment("dense", 0, 0, derive_seed(config.seed, "search"), 0.01, 16)
    for assignment in (first, *replicates(Entry(first), config)):
        prepared.initialise(assignment.seed)
        trial = pipeline.trial(assignment)
        training_job(trial, prepared.store).run(world, lambda report: None)
        evaluation_job(trial, prepared.store).run(world, lambda report: None)
        journal.write(Entry(assignment, "finished"))
    return Book(journal, pipeline)


def _report(box: Path, book: Book, prepared: Prepared, case: Case) -> None:
    records = publish_tables(book, prepared.results)
    make_console().print(terminal(with_oracle(records), records.name))
    (box / "table").touch()
    page = sweep_page(records, [])
    folder = Path(prepared.results.root) / prepared.config.name
    table = [line for line in (folder / "summary.md").read_text().splitlines() if line[:1] == "|"]
    assert len(table) == 3
    words = " ".join(unescape(page).split())
    for domain in case.domains:
        if len(domain) < 30 and domain.isprintable():
            assert " ".join(_one_form(domain).split()) in words, domain
    publish_models(book, prepared.results, prepared.tokenizer)
    model = load_model(folder / "models/dense")
    assert {*model.config.id2label.values()} == {_one_form(label) for label in case.labels}


def _track(prepared: Prepared, domains: tuple[str, ...]) -> None:
    """MLflow holds as many metrics as there are names."""
    shutil.copyfile(_made() / "mlflow.db", Path(prepared.results.root) / "mlflow.db")
    tracker = Tracker(prepared.config, prepared.graph.science, prepared.results.root)
    tracker.start("dense-0000-0", "t1", {}, {})
    tracker.end("dense-0000-0", metrics={f"target.{domain}": 0.5 for domain in domains})
    tracker.close("FINISHED")
    run = MlflowClient(tracking_uri(prepared.config.storage)).get_run(
        tracker.runs[tracker.keys["dense-0000-0"]]
    )
    assert len(run.data.metrics) == len(domains)
