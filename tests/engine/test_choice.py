import pytest

from doge_ray.config import AmazonData, SweepConfig
from doge_ray.engine.choice import chosen, replicates, with_finetuned
from doge_ray.engine.graph import Graph, ModelFacts
from doge_ray.engine.journal import Entry
from doge_ray.engine.pipeline import Assignment, Pipeline
from doge_ray.engine.store import StageStore
from doge_ray.seeds import derive_seed
from doge_ray.tickets.ticket import UnitParameters

CONFIG = SweepConfig(
    name="some", model="some/encoder", data=AmazonData(task="amazon"), seed=3, replicates=4
)
SEARCH_SEED = derive_seed(CONFIG.seed, "search")


def entry(dev_metric, trial=0, method="doge", replicate=0, status="finished") -> Entry:
    assignment = Assignment(method, trial, replicate, SEARCH_SEED, 1e-5 * (trial + 1), 16, 0.5)
    return Entry(assignment, status, dev_metric=dev_metric)


def test_the_best_finished_trial_is_chosen():
    entries = [entry(0.6, 0), entry(0.8, 1), entry(0.7, 2)]
    assert chosen("doge", entries) == entries[1]


def test_of_equals_the_earliest_is_chosen_in_whatever_order_they_are_told():
    entries = [entry(0.8, 2), entry(0.8, 1), entry(0.7, 0)]
    assert chosen("doge", entries) == chosen("doge", entries[::-1]) == entries[1]


@pytest.mark.parametrize(
    "better",
    [
        entry(0.9, 1, status="failed"),
        entry(0.9, 1, status="stopped"),
        entry(0.9, 1, status="running"),
        entry(0.9, 1, method="random"),
        entry(0.9, 0, replicate=1),
    ],
    ids=["failed", "stopped", "running", "another method's", "a replicate"],
)
def test_nothing_else_is_chosen(better):
    mine = entry(0.5, 0)
    assert chosen("doge", [better, mine]) == chosen("doge", [mine, better]) == mine
    assert chosen("doge", [better]) is None


def test_replicates_are_the_chosen_configuration_with_fresh_seeds():
    best = entry(0.8, trial=5)
    repeats = replicates(best, CONFIG)
    assert [r.replicate for r in repeats] == [1, 2, 3, 4]
    assert len({SEARCH_SEED, *(r.seed for r in repeats)}) == 5
    for repeat in repeats:
        restored = repeat.asdict() | {"replicate": 0, "seed": SEARCH_SEED}
        assert restored == best.assignment.asdict()


def test_methods_are_repeated_with_the_same_seeds():
    """Comparisons are paired by seed."""
    doge = replicates(entry(0.8, trial=2, method="doge"), CONFIG)
    dense = replicates(entry(0.7, trial=0, method="dense"), CONFIG)
    assert [r.seed for r in doge] == [r.seed for r in dense]


def test_more_replicates_keep_the_earlier_ones():
    fewer = CONFIG.model_copy(update={"replicates": 2})
    assert replicates(entry(0.8), CONFIG)[:2] == replicates(entry(0.8), fewer)


@pytest.fixture
def pipeline(tmp_path) -> Pipeline:
    facts = ModelFacts("model-1", 2, 3, UnitParameters(4, 10, 100))
    graph = Graph(CONFIG, facts, "corpus-1", ("bad", "good"))
    return Pipeline(graph, StageStore(str(tmp_path)))


def test_tickets_are_drawn_from_the_chosen_dense_configuration_of_their_own_seed(pipeline):
    dense = [entry(0.6, 0, "dense"), entry(0.8, 1, "dense")]
    finetuned = with_finetuned(pipeline, [*dense, entry(0.9, 0, "random")]).finetuned
    assert set(finetuned) == {SEARCH_SEED, *(r.seed for r in replicates(dense[1], CONFIG))}
    for seed, stage in finetuned.items():
        assert (stage.inputs["seed"], stage.inputs["learning_rate"]) == (seed, 2e-5)


def test_no_ticket_is_drawn_before_a_dense_trial_finished(pipeline):
    entries = [entry(0.8, 0, "dense", status="failed"), entry(0.9, 0, "random")]
    assert not with_finetuned(pipeline, entries).finetuned
