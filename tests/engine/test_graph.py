from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from doge_ray.config.load import known_keys, load_config
from doge_ray.engine.work.graph import VERSIONS, Graph, ModelFacts
from doge_ray.tickets.ticket import Ticket, UnitParameters, dense_ticket

FACTS = ModelFacts("model-1", 2, 3, UnitParameters(4, 10, 100))
DENSE = dense_ticket(2, 3, FACTS.parameters)
DOWNSTREAM = {
    "encoding": {"encoding", "training", "scoring", "evaluation", "activations"},
    "initial": {"initial", "training", "scoring", "evaluation", "activations"},
    "training": {"training", "scoring", "evaluation", "activations"},
    "scoring": {"scoring"},
    "evaluation": {"evaluation"},
    "activations": {"activations"},
}


@pytest.fixture
def make_graph(tmp_path):
    file = tmp_path / "some.yaml"
    file.write_text("model: some/encoder\ndata: {set: amazon}\n")

    def make(*overrides: str) -> Graph:
        return Graph(load_config(str(file), overrides), FACTS, "corpus-1", ("bad", "good"))

    return make


def digests(graph: Graph, ticket=DENSE, rate=1e-5, batch=16, seed=1) -> dict[str, str]:
    training = graph.training(ticket, graph.recipe(rate, batch, seed))
    stages = [
        graph.encoding,
        graph.initial(seed),
        training,
        graph.scoring(training),
        graph.evaluation(training),
        graph.activations(training),
    ]
    return {stage.kind: stage.digest for stage in stages}


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {kind for kind in one if one[kind] != other[kind]}


# A changed value of every setting, by the stage that it changes first.
SETTINGS = {
    "encoding": ["train.max_length=64"],
    "initial": ["train.dropout=0.2"],
    "training": [
        "train.max_epochs=3",
        "train.patience=1",
        "train.weight_decay=0.1",
        "train.warmup=0.2",
        "train.clip=0.5",
        "train.precision=fp32",
        "train.padding_free=true",
    ],
    "scoring": [
        "scoring.granularity=token",
        "scoring.method=authors_code",
        "scoring.score_precision=bf16",
    ],
    # Search, tickets and seeds reach a stage as its mask, rate, batch size and seed; model and
    # data as the fingerprints of their contents.
    None: [
        "name=other",
        "model=other/folder",
        "seed=5",
        "storage=elsewhere",
        "methods=[dense]",
        "replicates=7",
        "selection=oracle",
        "data.set=quickstart",
        "data.split=B",
        "data.root=/elsewhere",
        "data.limit=10",
        "train.long_sentences=windows",  # of texts with a class there are none
        "train.micro_batch_size=4",
        "train.snapshot_minutes=9",
        "resources.device_price=2.5",
        "scoring.normalize=heads",
        "scoring.min_heads=2",
        "scoring.batch_size=8",
        "search.num_trials=99",
        "search.sampler=random",
        "search.scheduler=asha",
        "search.grace_epochs=1",
        "search.max_concurrent=1",
        "search.max_failures=0",
        "search.learning_rate=1e-4",
        "search.batch_size=8",
        "search.sparsity=0.5",
        "search.sparsity=paper",
        "search.variance_weight=1",
        "search.irm_strength=1",
        "search.irm_anneal=0.1",
        "search.vrex_strength=1",
        "search.group_dro_strength=1",
        "search.coral_strength=1",
        "resources.trial_workers=2",
        "resources.stage_workers=2",
        "resources.cpus_per_worker=2",
        "resources.gpus_per_worker=1",
        "paper={dense: 70.0}",
    ],
}


@pytest.mark.parametrize(
    ("kind", "override"), [(kind, o) for kind, overrides in SETTINGS.items() for o in overrides]
)
def test_a_setting_changes_the_stages_it_determines_and_no_other(make_graph, kind, override):
    changed = differing(digests(make_graph()), digests(make_graph(override)))
    assert changed == DOWNSTREAM.get(kind, set())


def test_every_setting_was_thought_of():
    """A new setting fails here until it stands in one of the lists above."""
    listed = {override.split("=")[0] for overrides in SETTINGS.values() for override in overrides}
    assert listed == set(known_keys({"data": {"set": "amazon"}}))


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        ({"model": replace(FACTS, fingerprint="model-2")}, set().union(*DOWNSTREAM.values())),
        ({"corpus": "corpus-2"}, DOWNSTREAM["encoding"]),
        ({"label_names": ("bad", "fair", "good")}, DOWNSTREAM["initial"]),
    ],
    ids=["model", "data", "labels"],
)
def test_contents_change_what_is_made_of_them(make_graph, change, kinds):
    graph = make_graph()
    assert differing(digests(graph), digests(replace(graph, **change))) == kinds


def test_the_released_scoring_depends_on_its_batches_and_always_sums_tokens(make_graph):
    released = digests(make_graph("scoring.method=authors_code"))
    batches = digests(make_graph("scoring.method=authors_code", "scoring.batch_size=16"))
    tokens = digests(make_graph("scoring.method=authors_code", "scoring.granularity=token"))
    assert differing(released, batches) == {"scoring"}
    assert tokens == released
    assert digests(make_graph("scoring.method=authors_code", "score_precision=bf16")) == released


def test_batches_are_part_of_a_sweep_where_scores_depend_on_them(make_graph):
    def science(*overrides):
        return make_graph("scoring.batch_size=16", *overrides).science

    assert "scoring.batch_size" not in science()
    assert science("scoring.method=authors_code")["scoring.batch_size"] == 16


def test_exact_scoring_is_identified_as_before_there_was_another(make_graph):
    training = make_graph().training(DENSE, make_graph().recipe(1e-5, 16, 1))
    assert make_graph().scoring(training).inputs == {
        "version": 1,
        "training": training.digest,
        "data": make_graph().encoding.digest,
        "granularity": "example",
    }


HALF = replace(DENSE, kind="doge", ffn_mask=np.array([True, False]))


@pytest.mark.parametrize(
    ("choice", "first"),
    [
        ({"ticket": HALF}, "training"),
        ({"rate": 2e-5}, "training"),
        ({"batch": 32}, "training"),
        ({"seed": 2}, "initial"),
    ],
    ids=["ticket", "rate", "batch", "seed"],
)
def test_a_trials_choice_changes_its_training(make_graph, choice, first):
    graph = make_graph()
    assert differing(digests(graph), digests(graph, **choice)) == DOWNSTREAM[first]


def test_identical_masks_are_one_training(make_graph):
    """Whatever kind, sparsity and λ they were drawn with."""
    masks = HALF.head_mask, HALF.ffn_mask
    drawn = [
        Ticket("doge", *masks, 0.3, FACTS.parameters, {"variance_weight": 10.0}),
        Ticket("doge", *masks, 0.31, FACTS.parameters, {"variance_weight": 50.0}),
        Ticket("random", *masks, 0.3, FACTS.parameters, {"seed": 1}),
    ]
    graph = make_graph()
    assert all(digests(graph, one) == digests(graph, other) for one, other in pairwise(drawn))


@pytest.mark.parametrize("kind", VERSIONS)
def test_a_changed_computation_is_another_stage(make_graph, kind, monkeypatch):
    before = digests(make_graph())
    monkeypatch.setitem(VERSIONS, kind, VERSIONS[kind] + 1)
    assert differing(before, digests(make_graph())) == DOWNSTREAM[kind]


def test_taggers_have_stages_of_their_own_and_know_about_windows(make_graph):
    texts, tags = (replace(make_graph(), task=task) for task in ("classification", "tagging"))
    assert differing(digests(texts), digests(tags)) == set().union(*DOWNSTREAM.values())
    windows = replace(make_graph("train.long_sentences=windows"), task="tagging")
    assert differing(digests(tags), digests(windows)) == DOWNSTREAM["encoding"]
