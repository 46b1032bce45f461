import pytest

from doge_ray.engine.store.storage import Storage
from doge_ray.engine.trials.journal import Entry, Journal
from doge_ray.engine.work.assignment import Assignment


@pytest.fixture
def journal(tmp_path) -> Journal:
    return Journal(Storage(str(tmp_path)), "some")


def entry(method="doge", trial=0, replicate=0, **outcome) -> Entry:
    return Entry(Assignment(method, trial, replicate, 7, 2e-5, 32, 0.3, 10.0), **outcome)


@pytest.mark.parametrize(
    "written",
    [
        entry(),
        entry(status="failed", error="OutOfMemory: λ\nTraceback"),
        entry(
            status="finished",
            training="0123",
            ticket="4567",
            dev_metric=0.1 + 0.2,
            epoch=3,
        ),
        Entry(Assignment("dense", 0, 0, 2**32 - 1, 1e-5, 16)),
    ],
    ids=["running", "failed", "finished", "dense"],
)
def test_round_trip(journal, written):
    journal.write(written)
    assert journal.entries() == [written]


def test_an_empty_journal_has_no_entries(journal):
    assert journal.entries() == []


def test_entries_come_by_replicate_and_number(journal):
    """Numbers, not names: trial 10000 comes after 9999."""
    places = [(1, 0), (0, 10_000), (0, 2), (2, 0), (0, 9999), (0, 10)]
    for replicate, trial in places:
        journal.write(entry(trial=trial, replicate=replicate))
    found = [(e.assignment.replicate, e.assignment.trial) for e in journal.entries()]
    assert found == sorted(places)


def test_a_trials_end_replaces_its_start(journal):
    journal.write(entry())
    journal.write(entry(status="finished", dev_metric=0.5))
    assert journal.entries() == [entry(status="finished", dev_metric=0.5)]


def test_a_half_written_entry_is_not_read(journal):
    journal.write(entry())
    journal.storage.write_text("some/trials/doge-0001-0.json.0123abcd.partial", '{"assig')
    assert journal.entries() == [entry()]


def test_sweeps_do_not_see_each_other(journal):
    journal.write(entry())
    assert Journal(journal.storage, "other").entries() == []


def test_a_report_tells_how_far_a_trial_got():
    known = {"training": "0123", "ticket": "4567", "dev_metric": 0.5, "epoch": 2}
    known |= {"training_seconds": 7.5}
    assert entry().reported(known | {"loss": 0.1}) == entry(**known)
