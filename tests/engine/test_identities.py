"""What is on disk is named by these digests: no change to the code may change one.

``identities.json`` was written by the code as it was before the tables of kinds, objectives and
data sets. A new shipped sweep or setting adds lines to it; a line that changes means that results
which were published are computed again, and that MLflow shows a sweep that goes on as another.

    python -m tests.engine.test_identities > tests/engine/identities.json
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doge_ray.config import SweepConfig, load_config, load_parts
from doge_ray.config.methods import hyperparameters
from doge_ray.engine.store import Stage
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.graph import Graph, ModelFacts
from doge_ray.shipped import SWEEPS
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.importance import Moments
from doge_ray.tickets.levels import PAPER_LEVELS
from doge_ray.tickets.ticket import Ticket, UnitParameters, dense_ticket

GOLDEN = Path(__file__).with_name("identities.json")
FACTS = ModelFacts("model-1", 3, 4, UnitParameters(10, 80, 400))
DOMAINS = ("a", "b", "c")
CHOICE = {"learning_rate": 2e-5, "batch_size": 16, "seed": 7}
DRAWN = {"sparsity": 0.3}
METHODS: dict[str, dict[str, float]] = {
    "dense": {},
    "random": DRAWN,
    "winning": DRAWN,
    "losing": DRAWN,
    "doge": DRAWN | {"variance_weight": 50.0},
    "irm": {"strength": 3.5, "anneal": 0.25},
    "group_dro": {"strength": 0.01},
    "vrex": {"strength": 0.0},
    "coral": {"strength": 2.0},
    "doge+irm": DRAWN | {"variance_weight": 10.0, "strength": 100.0, "anneal": 0.5},
    "winning+coral": DRAWN | {"strength": 1.0},
}
# Beside what is shipped: settings that no shipped sweep changes.
VARIANTS = {
    "by folds": ("amazon", ["selection=leave_one_domain_out"]),
    "tokens": ("amazon", ["granularity=token", "normalize=heads", "min_heads=0", "dropout=0.2"]),
    "windows": ("ontonotes", ["long_sentences=windows", "scheme=iobes", "types=[PERSON]"]),
    "released": ("mnli", ["scoring.method=authors_code", "scoring.batch_size=8", "num_sources=3"]),
    "in pieces": (
        "quickstart",
        [
            "micro_batch_size=4",
            "trial_workers=2",
            "precision=fp32",
            "padding_free=false",
            "limit=150",
        ],
    ),
    "as it was": ("quickstart", ["padding_free=false", "limit=150"]),
    "objectives": ("amazon", ["methods=[dense, irm, group_dro, vrex, coral, doge+irm]"]),
    "own files": (
        "quickstart",
        [
            "data={set: files, path: x.csv, text: words, label: class, domain: place, "
            "source_domains: [a, b], target_domains: [c], dev_fraction: 0.2}",
            "padding_free=false",
        ],
    ),
}


@cache
def sweeps() -> dict[str, SweepConfig]:
    """Every shipped sweep and part of one, and the variants."""
    found = {}
    for path in sorted(SWEEPS.glob("*.yaml")):
        several = load_parts(path.stem)
        alone = () if several is None else several.parts
        for config in [part.config for part in alone] or [load_config(path.stem)]:
            found[config.name] = config
    return found | {name: load_config(*variant) for name, variant in VARIANTS.items()}


def graph_of(config: SweepConfig) -> Graph:
    tagged = hasattr(config.data, "scheme")
    return Graph(
        config,
        FACTS,
        "corpus-1",
        ("O", "B-X", "I-X") if tagged else ("bad", "fair", "good"),
        "tagging" if tagged else "classification",
        {"a": "corpus-without-a"} if config.selection == "leave_one_domain_out" else {},
    )


def moments() -> Moments:
    rng = np.random.default_rng(0)
    heads, ffns = rng.gamma(2.0, size=(3, 3, 4)), rng.gamma(2.0, size=(3, 3))
    return Moments(DOMAINS, np.array([5.0, 7.0, 9.0]), heads, heads**2, ffns, ffns**2)


def ticket_of(assignment: Assignment, config: SweepConfig) -> Ticket:
    if assignment.kind == "dense":
        return dense_ticket(FACTS.num_layers, FACTS.num_heads, FACTS.parameters)
    level = config.search.level(assignment.sparsity)
    return draw_ticket(
        assignment.kind,
        moments(),
        level.heads,
        FACTS.parameters,
        variance_weight=assignment.variance_weight or 0.0,
        seed=3,
        ffn_sparsity=None if level.ffns == level.heads else level.ffns,
        **config.scoring.ranking,
    )


def stages(graph: Graph) -> dict[str, str]:
    """Digests of the shared stages, and of the training and evaluation of each method."""
    config, found = graph.config, {"encoding": graph.encoding, "initial": graph.initial(7)}
    for method, drawn in METHODS.items():
        levels = list(PAPER_LEVELS)[5:20:7] if config.search.sparsity == "paper" else [0.3]
        for sparsity in levels if "sparsity" in drawn else [0.0]:
            trial = Assignment(method, 0, 0, **CHOICE, **{**drawn, "sparsity": sparsity})
            training = graph.training(ticket_of(trial, config), graph.recipe(**trial.recipe))
            name = f"{method} {sparsity:g}" if len(levels) > 1 else method
            found[f"training {name}"] = training
            found[f"evaluation {name}"] = graph.evaluation(training)
            if method == "dense":
                found["scoring"] = graph.scoring(training)
                found["activations"] = graph.activations(training)
    digests = {name: stage.digest for name, stage in found.items()}
    for domain in graph.folds:
        inside = stages(graph.fold(domain))
        digests |= {f"without {domain}: {name}": digest for name, digest in inside.items()}
    return digests


def spaces(config: SweepConfig) -> dict[str, Any]:
    """What the trials of each method are drawn from, in the order in which they are drawn."""
    drawn = {
        method: {each.name: config.search.space(each.setting) for each in hyperparameters(method)}
        for method in config.methods
    }
    return {
        method: {name: getattr(space, "__dict__", space) for name, space in fields.items()}
        for method, fields in drawn.items()
    }


def identities(config: SweepConfig) -> dict[str, Any]:
    graph = graph_of(config)
    found = {f"setting {key}": value for key, value in config.science().items()}
    found |= {f"space {method}": list(space.items()) for method, space in spaces(config).items()}
    run = Stage("sweep", {**graph.science, "place": "runs"})
    return json.loads(json.dumps({"run in MLflow": run.digest, **found, **stages(graph)}))


@pytest.mark.parametrize("name", sweeps())
def test_identities_are_what_they_were(name: str) -> None:
    assert identities(sweeps()[name]) == json.loads(GOLDEN.read_text())[name]


def test_no_sweep_lost_its_identities() -> None:
    assert set(sweeps()) == set(json.loads(GOLDEN.read_text()))


def written(name: str, config: SweepConfig) -> str:
    """One line for each identity."""
    lines = [
        f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in identities(config).items()
    ]
    return f"{json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n}"


if __name__ == "__main__":
    print("{\n" + ",\n".join(written(*each) for each in sweeps().items()) + "\n}")
