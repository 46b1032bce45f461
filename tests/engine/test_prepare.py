"""What is refused before anything is trained."""

import pytest

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.engine.results.folder import claim_folder
from doge_ray.engine.trials.journal import Entry, Journal
from doge_ray.engine.work.assignment import Assignment
from doge_ray.errors import InputError
from tests.engine.project import make_project


@pytest.mark.parametrize("methods", ["[dense, doge]", "[dense, irm]"])
def test_folds_of_two_domains_leave_nothing_to_compare_domains_by(tmp_path, methods):
    """λ would be chosen among tickets that do not differ in the folds."""
    path = make_project(tmp_path, selection="leave_one_domain_out")
    two = ["data.source_domains=[red, green]", f"methods={methods}"]
    config = load_config(str(path), two)
    with pytest.raises(InputError, match="needs 3 source domains"):
        prepare(config, load_corpus(config.data), find_model(config.model))
    fewer = load_config(str(path), [*two[:1], "methods=[dense, winning]"])
    prepare(fewer, load_corpus(fewer.data), find_model(fewer.model))


FEWER = {
    "search.num_trials=1": r"1 finished .*dense-0001-0.*\(search\.num_trials=2\)",
    "replicates=1": r"1 finished .*doge-0000-2.*\(replicates=2\)",
    "methods=[dense]": r"2 finished .*doge-0000-0.*\(methods with doge\)",
}


@pytest.mark.parametrize("fewer", FEWER)
def test_less_than_has_finished_is_refused(tmp_path, fewer):
    """The table would be written anew, with a choice from fewer trials."""
    path = str(make_project(tmp_path, methods=["dense", "doge"], replicates=2))

    def prepared(*overrides):
        config = load_config(path, overrides)
        return prepare(config, load_corpus(config.data), find_model(config.model))

    first = prepared()
    claim_folder(first.results, first.graph, first.data.audit)
    journal = Journal(first.results, first.config.name)
    for method, trial, replicate in (("dense", 1, 0), ("doge", 0, 0), ("doge", 0, 2)):
        assignment = Assignment(method, trial, replicate, 0, 0.01, 16)
        journal.write(Entry(assignment, status="finished", training="a0"))
    journal.write(Entry(Assignment("dense", 7, 0, 0, 0.01, 16)))  # which never ended
    prepared()
    prepared("search.num_trials=5", "replicates=3", "methods=[dense, doge, random]")
    with pytest.raises(InputError, match=FEWER[fewer]):
        prepared(fewer)
