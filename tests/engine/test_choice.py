from dataclasses import replace

import numpy as np
import pytest

from doge_ray.config import AmazonData, SweepConfig
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.trials.choice import all_chosen, chosen, present, replicates, with_finetuned
from doge_ray.engine.trials.journal import Entry
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.graph import Graph, ModelFacts
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.seeds import derive_seed
from doge_ray.stages.score_table import write_scores
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.ticket import UnitParameters

CONFIG = SweepConfig(
    name="some", model="some/encoder", data=AmazonData(set="amazon"), seed=3, replicates=4
)
ENDED = {"epochs": 2, "best_epoch": 1, "seconds": 12.5, "dev": {}, "history": []}
EVALUATED = {"target_metric_deduplicated": None, "target": {}, "target_deduplicated": {}}
SEARCH_SEED = derive_seed(CONFIG.seed, "search")


def entry(dev_metric, trial=0, method="doge", replicate=0, status="finished") -> Entry:
    assignment = Assignment(method, trial, replicate, SEARCH_SEED, 1e-5 * (trial + 1), 16, 0.5)
    return Entry(assignment, status, dev_metric=dev_metric, selection_metric=dev_metric)


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
    return Pipeline(some_graph(), StageStore(str(tmp_path)))


def some_graph() -> Graph:
    facts = ModelFacts("model-1", 2, 3, UnitParameters(4, 10, 100))
    return Graph(CONFIG, facts, "corpus-1", ("bad", "good"))


def publish(pipeline: Pipeline, *entries: Entry) -> None:
    """Store what a finished trial leaves behind, and the scores of a dense one."""
    for each in entries:
        trial = pipeline.trial(each.assignment)
        pipeline.store.put(trial.training, {"dev_metric": each.dev_metric} | ENDED)
        pipeline.store.put(trial.evaluation, {"target_metric": 0.5} | EVALUATED)
        if each.assignment.method == "dense":
            publish_scores(pipeline, trial.scoring)


def publish_scores(pipeline: Pipeline, scoring: Stage) -> None:
    moments, parameters = some_moments(), pipeline.graph.model.parameters
    pipeline.store.put(
        scoring,
        {},
        lambda folder: write_scores(folder / "scores.parquet", moments, parameters, {}),
    )


def drawing(pipeline: Pipeline, *entries: Entry) -> Pipeline:
    """Where tickets are drawn from the dense trial that is chosen of what the journal holds."""
    return with_finetuned(pipeline, chosen("dense", present(entries, pipeline)))


def some_moments() -> Moments:
    """Moments of two domains, in a network of two layers with three heads."""
    rng = np.random.default_rng(0)
    heads, ffns = rng.random((2, 2, 3)) + 1, rng.random((2, 2)) + 1
    return Moments(("red", "blue"), np.array([4, 4]), heads, heads**2, ffns, ffns**2)


def test_trials_and_methods_beyond_those_asked_for_do_not_count(pipeline):
    dense = [entry(0.6, n, "dense") for n in range(3)]
    losing = entry(0.9, 0, "losing", status="failed")
    publish(pipeline, *dense)
    search = CONFIG.search.model_copy(update={"num_trials": 2})
    graph = replace(pipeline.graph, config=CONFIG.model_copy(update={"search": search}))
    fewer = replace(pipeline, graph=graph)
    found = present([*dense, losing], fewer)
    assert [e.assignment for e in found] == [e.assignment for e in dense[:2]]
    assert all_chosen(CONFIG.methods, found)["dense"].assignment == dense[0].assignment


def test_a_trial_whose_scores_or_stages_are_not_there_is_still_to_run(pipeline):
    old, new, ticket = entry(0.6, 0, "dense"), entry(0.8, 1, "dense"), entry(0.9, 0, "winning")
    assert present([ticket], pipeline) == [Entry(ticket.assignment)]  # nothing to draw from
    publish(pipeline, old)
    before = drawing(pipeline, old)
    publish(before, ticket)
    found = present([ticket], before)[0]
    assert (found.status, found.dev_metric) == ("finished", 0.9)
    assert found.training == before.trial(ticket.assignment).training.digest

    newer = pipeline.trial(new.assignment)
    pipeline.store.put(newer.training, {"dev_metric": 0.8} | ENDED)
    pipeline.store.put(newer.evaluation, {"target_metric": 0.5} | EVALUATED)
    after = drawing(pipeline, old, new)
    assert not after.can_draw(ticket.assignment)
    assert present([ticket], after) == [Entry(ticket.assignment)]


def test_a_stopped_trial_stays_stopped_while_its_ticket_is_the_same(pipeline):
    dense = entry(0.6, 0, "dense")
    publish(pipeline, dense)
    pipeline = drawing(pipeline, dense)
    ticket = entry(0.5, 0, "winning", status="stopped")
    training = pipeline.trial(ticket.assignment).training.digest
    assert present([replace(ticket, training=training)], pipeline)[0].status == "stopped"
    assert present([replace(ticket, training="another")], pipeline)[0].status == "running"


@pytest.mark.parametrize(
    ("selection", "expected"),
    [("source_dev", 0), ("leave_one_domain_out", 1), ("oracle", 2)],
)
def test_each_way_of_choosing_sees_its_own_metric(pipeline, selection, expected):
    """Three dense trials: the best on dev, on the left-out domains, and on the targets."""
    config = CONFIG.model_copy(update={"selection": selection})
    folds = {"red": "corpus-r", "blue": "corpus-b"} if expected == 1 else {}
    graph = replace(pipeline.graph, config=config, folds=folds)
    pipeline = Pipeline.of(graph, pipeline.store)
    trials = [entry(None, n, "dense") for n in range(3)]
    dev, unseen, target = (0.9, 0.5, 0.5), ((0.5, 0.5), (0.9, 0.6), (0.8, 0.5)), (0.5, 0.5, 0.9)
    for trial, dev_metric, in_folds, target_metric in zip(trials, dev, unseen, target, strict=True):
        parts = pipeline.trial(trial.assignment).parts
        for part, metric in zip(parts, (target_metric, *in_folds), strict=False):
            pipeline.store.put(part.training, {"dev_metric": dev_metric} | ENDED)
            pipeline.store.put(part.evaluation, {"target_metric": metric} | EVALUATED)
    found = present(trials, pipeline)
    assert chosen("dense", found).assignment.trial == expected
    assert [e.dev_metric for e in found] == list(dev)
    if selection == "leave_one_domain_out":
        assert [e.selection_metric for e in found] == pytest.approx([0.5, 0.75, 0.65])


def test_a_trial_is_not_finished_before_its_folds_are(pipeline):
    graph = replace(pipeline.graph, folds={"red": "corpus-r"})
    whole, trial = Pipeline.of(graph, pipeline.store), entry(0.8, 0, "dense")
    publish(pipeline, trial)
    assert present([trial], pipeline)[0].status == "finished"
    assert present([trial], whole) == [Entry(trial.assignment)]
    publish(whole.folds["red"], trial)
    assert present([trial], whole)[0].status == "finished"


def test_tickets_are_drawn_from_the_chosen_dense_configuration_of_their_own_seed(pipeline):
    dense = [entry(0.6, 0, "dense"), entry(0.8, 1, "dense")]
    publish(pipeline, *dense)
    finetuned = drawing(pipeline, *dense, entry(0.9, 0, "random")).finetuned
    assert set(finetuned) == {SEARCH_SEED, *(r.seed for r in replicates(dense[1], CONFIG))}
    for seed, stage in finetuned.items():
        assert (stage.inputs["seed"], stage.inputs["learning_rate"]) == (seed, 2e-5)


def test_no_ticket_is_drawn_before_a_dense_trial_finished(pipeline):
    entries = [entry(0.8, 0, "dense", status="failed"), entry(0.9, 0, "random")]
    assert not drawing(pipeline, *entries).finetuned


@pytest.mark.parametrize("selection", ["source_dev", "leave_one_domain_out", "oracle"])
def test_target_metrics_play_no_part_in_an_honest_choice(pipeline, selection, tmp_path):
    """The same sources with the targets' metrics the other way round."""
    config = CONFIG.model_copy(update={"selection": selection})
    folds = {"red": "corpus-r"} if selection == "leave_one_domain_out" else {}
    graph = replace(pipeline.graph, config=config, folds=folds)
    trials = [entry(None, n, "dense") for n in range(3)]

    def choice(name: str, targets: tuple[float, ...]) -> int:
        whole = Pipeline.of(graph, StageStore(str(tmp_path / name)))
        for trial, source, target in zip(trials, (0.6, 0.8, 0.7), targets, strict=True):
            made = whole.trial(trial.assignment)
            for part in made.parts:
                unseen = target if part is made else source
                whole.store.put(part.training, {"dev_metric": source} | ENDED)
                whole.store.put(part.evaluation, {"target_metric": unseen} | EVALUATED)
        return chosen("dense", present(trials, whole)).assignment.trial

    choices = choice("one", (0.9, 0.5, 0.1)), choice("other", (0.1, 0.5, 0.9))
    assert choices == ((0, 2) if selection == "oracle" else (1, 1))
