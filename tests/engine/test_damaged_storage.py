"""Files of a storage that a power cut, another program or a person damaged.

What is computed counts as not there; what only a person can restore is named. No name in any of
them leads out of the storage.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doge_ray import report
from doge_ray.domains.audit import Audit, SplitAudit
from doge_ray.engine.results.combined import has_parts, publish_combined
from doge_ray.engine.results.folder import _describe, read_audit, recall
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.trials.journal import Entry, Journal
from doge_ray.engine.trials.retention import discard_outdated
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.predictions import read_predictions
from doge_ray.errors import InputError
from doge_ray.tickets.activations import ActiveCounts
from tests.engine.test_choice import ENDED, some_graph

STAGE = Stage("training", {"seed": 1})
TRAINED = ENDED | {"dev_metric": 0.5}
WHOLE = {"inputs": {"seed": 1}, "result": TRAINED, "files": "files-0123456789ab"}
DAMAGED = {
    "cut off": json.dumps(WHOLE)[:40],
    "empty": "",
    "zeros": "\0" * 40,
    "not UTF-8": b"\xff\xfe",
    "nested without end": "[" * 100_000,
    "a list": "[]",
    "without files": json.dumps({"inputs": {}, "result": TRAINED}),
    "without a metric": json.dumps(WHOLE | {"result": ENDED}),
    "a metric in a word": json.dumps(WHOLE | {"result": TRAINED | {"dev_metric": "0.5"}}),
    "files above": json.dumps(WHOLE | {"files": "../../../precious"}),
    "files elsewhere": json.dumps(WHOLE | {"files": "/precious"}),
    "files of another name": json.dumps(WHOLE | {"files": "precious"}),
    "files in a list": json.dumps(WHOLE | {"files": ["files-0123456789ab"]}),
}


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(str(tmp_path / "runs/store"))


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """What lies beside the storage."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/published.json").write_text(json.dumps(WHOLE))
    return tmp_path / "precious/published.json"


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_record_counts_as_not_there_and_is_replaced(store, precious, case):
    store.write_bytes(f"{STAGE.path}/published.json", _bytes(DAMAGED[case]))
    assert store.result(STAGE) is None
    assert not store.has_files(STAGE)
    store.discard_files(STAGE.path)
    store.put(STAGE, TRAINED, lambda folder: (folder / "weights").touch())
    assert store.result(STAGE) == TRAINED
    assert store.has_files(STAGE)
    assert precious.exists()


def test_a_whole_record_is_read(store):
    store.write_text(f"{STAGE.path}/published.json", json.dumps(WHOLE))
    assert store.result(STAGE) == TRAINED


ENTRY = Entry(Assignment("doge", 0, 0, 7, 2e-5, 32, 0.3, 10.0), "finished", "0123", "4567", 0.5)


def _entry(**changes: object) -> str:
    assignment = ENTRY.assignment.asdict() | changes.pop("assignment", {})
    fields = {"status": "finished", "training": "0123", "ticket": "4567", **changes}
    return json.dumps({"assignment": assignment, **fields})


LOST = {
    "cut off": _entry()[:60],
    "empty": "",
    "not UTF-8": b"\xff",
    "no mapping": "3",
    "no method": _entry(assignment={"method": "../../etc"}),
    "no rate": _entry(assignment={"learning_rate": None}),
    "no batch": _entry(assignment={"batch_size": 0}),
    "all removed": _entry(assignment={"sparsity": 1.0}),
    "an unknown end": _entry(status="exploded"),
    "a training above": _entry(training="../../precious"),
    "a ticket above": _entry(ticket="../../precious"),
    "another trial's": _entry(assignment={"trial": 3}),
}


@pytest.mark.parametrize("case", LOST)
def test_a_damaged_entry_counts_as_not_there(tmp_path, case):
    journal = Journal(Storage(str(tmp_path)), "some")
    journal.write(ENTRY)
    assert journal.entries() == [ENTRY]
    journal.storage.write_bytes("some/trials/doge-0000-0.json", _bytes(LOST[case]))
    assert journal.entries() == []


def test_no_entry_makes_a_file_outside_of_the_storage_go(tmp_path, store, precious):
    journal = Journal(Storage(str(tmp_path / "runs")), "some")
    dense = Assignment("dense", 0, 0, 7, 2e-5, 32)
    journal.write(Entry(dense, "finished", "../../../precious"))
    discard_outdated(journal.entries(), Pipeline(some_graph(), store))
    assert json.loads(precious.read_text()) == WHOLE


@pytest.fixture
def runs(tmp_path: Path) -> Storage:
    """With the folder of a sweep that was started."""
    storage = Storage(str(tmp_path / "runs"))
    storage.write_text("some/sweep.json", json.dumps(_describe(some_graph())))
    return storage


def _changed(runs: Storage, **changes: object) -> str:
    return json.dumps(json.loads(runs.read_text("some/sweep.json") or "") | changes)


def test_a_description_is_read(runs):
    assert recall("some", runs.root)[0] == some_graph()


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"name": "some"}},
        {"config": None},
        {"model": {}},
        {"label_names": 3},
        {"corpus": None},
        {"folds": ["red"]},
        {"task": "poetry"},
    ],
    ids=lambda changes: "-".join(changes),
)
def test_a_damaged_description_is_named(runs, changes):
    runs.write_text("some/sweep.json", _changed(runs, **changes))
    with pytest.raises(InputError, match=r"runs/some/sweep\.json"):
        recall("some", runs.root)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", b"\xff", "[" * 100_000])
def test_a_description_that_cannot_be_read_is_named_with_the_remedy(runs, content):
    runs.write_bytes("some/sweep.json", _bytes(content))
    with pytest.raises(InputError, match=r"some/sweep\.json does not describe.*restore it, or"):
        recall("some", runs.root)


def test_a_description_of_another_sweep_is_refused(runs):
    """The tables would be written to the other's folder."""
    runs.write_text("other/sweep.json", runs.read_text("some/sweep.json") or "")
    with pytest.raises(InputError, match=r"other/sweep\.json is of a sweep named 'some'"):
        recall("other", runs.root)


@pytest.mark.parametrize("name", ["..", "../outside", "/etc", "a/../..", "a\0", "", ".", "x" * 200])
def test_a_name_that_leads_elsewhere_is_refused(runs, name):
    for asked in (recall, has_parts):
        with pytest.raises(InputError, match="is no name of a sweep; allowed are"):
            asked(name, runs.root)
    with pytest.raises(InputError, match="is no name of a sweep"):
        report.main([name, f"storage={runs.root}"])


@pytest.mark.parametrize(
    "content",
    ["", "{}", b"\xff", '[{"name": "../some", "column": "a", "paper": {}}]', '[{"name": "some"}]']
    + [f'[{{"name": "some", "column": {value}, "paper": {{}}}}]' for value in ("3", "null")],
)
def test_a_damaged_list_of_parts_is_named_with_the_remedy(runs, content):
    runs.write_bytes("both/parts.json", _bytes(content))
    assert has_parts("both", runs.root)
    with pytest.raises(InputError, match=r"(?s)both/parts\.json does not list.*written anew"):
        publish_combined("both", runs.root)


AUDIT = Audit(("no", "yes"), 16, (SplitAudit("train", "red", (3, 4), 0, 0),))


def test_a_damaged_audit_is_named(runs):
    runs.write_text("some/audit.json", json.dumps(AUDIT.to_dict()))
    assert read_audit(runs, "some") == AUDIT
    few = {**AUDIT.to_dict(), "label_names": ["no"]}
    for content in ("", "[]", "{}", json.dumps(few)):
        runs.write_text("some/audit.json", content)
        with pytest.raises(InputError, match=r"(?s)some/audit\.json is damaged.*written anew"):
            read_audit(runs, "some")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04."])
def test_damaged_results_are_named(tmp_path, content):
    for name, read in (
        ("activations.npz", lambda: ActiveCounts.load(tmp_path / "activations.npz")),
        ("predictions.parquet", lambda: read_predictions(tmp_path)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=rf"{name} is damaged .*; delete "):
            read()


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else content.encode()
