from pathlib import Path

import pytest

from doge_ray.engine.store import Stage, StageStore

STAGE = Stage("anything", {"seed": 1, "mask": "abc"})


@pytest.fixture(params=["folder", "remote"])
def store(request, tmp_path, monkeypatch) -> StageStore:
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path / "cache"))
    return StageStore(f"{tmp_path}/store" if request.param == "folder" else "mock:///store")


def weights(text: str):
    return lambda folder: (folder / "weights").write_text(text)


def killed(folder: Path) -> None:
    (folder / "weights").write_text("half")
    raise RuntimeError("killed")


def read(store: StageStore, slot="published") -> str:
    return (store.files(STAGE, slot) / "weights").read_text()


def test_identity_is_kind_and_inputs_in_any_order():
    assert STAGE.digest == Stage("anything", {"mask": "abc", "seed": 1}).digest
    others = [
        Stage("scoring", STAGE.inputs),
        Stage("anything", {"seed": 2, "mask": "abc"}),
        Stage("anything", {"seed": 1}),
        Stage("anything", {"seed": "1", "mask": "abc"}),
    ]
    assert len({STAGE.digest, *(stage.digest for stage in others)}) == 5


def test_nothing_is_there_before_it_is_published(store):
    assert store.result(STAGE) is None
    assert not store.has_files(STAGE)
    with pytest.raises(FileNotFoundError, match="holds no files"):
        store.files(STAGE)


def test_a_published_stage_has_its_result_and_files(store):
    store.put(STAGE, {"dev_metric": 0.7}, weights("good"))
    assert store.result(STAGE) == {"dev_metric": 0.7}
    assert store.has_files(STAGE)
    assert read(store) == "good"
    assert store.result(Stage("scoring", STAGE.inputs)) is None


def test_a_stage_may_have_a_result_alone(store):
    store.put(STAGE, {"dev_metric": 0.7})
    assert store.result(STAGE) == {"dev_metric": 0.7}
    assert not store.has_files(STAGE)


def test_a_later_publication_replaces_the_earlier(store):
    store.put(STAGE, {"n": 1}, weights("old"))
    store.put(STAGE, {"n": 2}, weights("new"))
    assert (store.result(STAGE), read(store)) == ({"n": 2}, "new")
    assert len(store.list(STAGE.path)) == 2


def test_files_are_discarded_and_the_result_stays(store):
    store.put(STAGE, {"n": 1}, weights("large"))
    store.discard_files(STAGE.path)
    assert store.result(STAGE) == {"n": 1}
    assert not store.has_files(STAGE)
    assert store.list(STAGE.path) == ["published.json"]
    store.discard_files(STAGE.path)
    store.put(STAGE, {"n": 2}, weights("again"))
    assert (store.result(STAGE), read(store)) == ({"n": 2}, "again")


def test_a_killed_first_attempt_leaves_nothing_to_read(store):
    with pytest.raises(RuntimeError, match="killed"):
        store.put(STAGE, {"n": 1}, killed)
    assert store.result(STAGE) is None
    assert not store.has_files(STAGE)


@pytest.mark.parametrize("slot", ["published", "snapshot"])
def test_a_killed_attempt_leaves_the_old_state(store, slot):
    store.put(STAGE, {"n": 1}, weights("old"), slot)
    with pytest.raises(RuntimeError, match="killed"):
        store.put(STAGE, {"n": 2}, killed, slot)
    assert (store.result(STAGE, slot), read(store, slot)) == ({"n": 1}, "old")


def test_what_a_killed_process_left_is_never_read(store):
    """Uploaded but not published; and a pointer that was being written."""
    store.put(STAGE, {"n": 1}, weights("old"))
    store.put_folder(f"{STAGE.path}/files-000000000000", weights("unpublished"))
    store.write_text(f"{STAGE.path}/published.json.0123abcd.partial", '{"resu')
    assert (store.result(STAGE), read(store)) == ({"n": 1}, "old")
    store.put(STAGE, {"n": 2}, weights("new"))
    assert (store.result(STAGE), read(store)) == ({"n": 2}, "new")


def test_what_killed_processes_left_is_deleted_and_nothing_else(store):
    other = Stage("training", {"seed": 2})
    store.put(STAGE, {"n": 1}, weights("published"))
    store.put(other, {}, weights("unfinished"), "snapshot")
    before = {stage.path: store.list(stage.path) for stage in (STAGE, other)}
    for stage in (STAGE, other, Stage("scoring", {})):
        store.put_folder(f"{stage.path}/files-000000000000", weights("unpublished"))
        store.write_text(f"{stage.path}/published.json.0123abcd.partial", '{"resu')
    store.discard_orphans()
    assert "files-000000000000" in store.list(STAGE.path), "it may be about to be published"
    store.discard_orphans(age=0)
    assert {stage.path: store.list(stage.path) for stage in (STAGE, other)} == before
    assert store.list("scoring") == []
    assert (read(store), store.result(other, "snapshot")) == ("published", {})


def test_a_snapshot_is_no_publication(store):
    store.put(STAGE, {"epoch": 1}, weights("first"), "snapshot")
    assert store.result(STAGE) is None
    assert not store.has_files(STAGE)
    assert (store.result(STAGE, "snapshot"), read(store, "snapshot")) == ({"epoch": 1}, "first")


def test_a_stage_keeps_its_last_snapshot_until_it_is_published(store):
    for epoch in ("first", "second"):
        store.put(STAGE, {}, weights(epoch), "snapshot")
    assert read(store, "snapshot") == "second"
    assert len(store.list(STAGE.path)) == 2
    store.put(STAGE, {"n": 1}, weights("final"))
    assert store.result(STAGE, "snapshot") is None
    assert read(store) == "final"
    assert len(store.list(STAGE.path)) == 2


def test_a_late_snapshot_does_not_undo_a_publication(store):
    """Another sweep trains the same stage, an epoch behind."""
    store.put(STAGE, {"n": 1}, weights("final"))
    store.put(STAGE, {}, weights("late"), "snapshot")
    assert (store.result(STAGE), read(store)) == ({"n": 1}, "final")


def test_a_training_that_runs_again_for_its_weights_keeps_snapshots(store):
    store.put(STAGE, {"n": 1}, weights("final"))
    store.discard_files(STAGE.path)
    store.put(STAGE, {"epoch": 1}, weights("again"), "snapshot")
    assert read(store, "snapshot") == "again"
    store.put(STAGE, {"n": 1}, weights("final"))
    assert (store.result(STAGE, "snapshot"), read(store)) == (None, "final")


def test_two_processes_may_publish_a_stage_at_once(store):
    """The files of one are being written while the other publishes."""

    def overtaken(folder: Path) -> None:
        weights("slower")(folder)
        store.put(STAGE, {"by": "faster"}, weights("faster"))

    store.put(STAGE, {"by": "slower"}, overtaken)
    assert read(store) == store.result(STAGE)["by"]


def test_an_unfinished_stage_is_forgotten_but_not_a_published_one(store):
    store.put(STAGE, {}, weights("first"), "snapshot")
    store.discard_unpublished(STAGE)
    assert store.result(STAGE, "snapshot") is None
    assert store.list(STAGE.path) == []
    store.put(STAGE, {"n": 1}, weights("final"))
    store.discard_unpublished(STAGE)
    assert read(store) == "final"
