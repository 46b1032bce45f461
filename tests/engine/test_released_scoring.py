"""Both ways of scoring from a fine-tuned model to tickets, in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from doge_ray.config import load_config
from doge_ray.domains.corpus import load_corpus
from doge_ray.encoders.locate import find_model
from doge_ray.engine.prepare import prepare
from doge_ray.engine.work.assignment import Assignment
from doge_ray.engine.work.jobs import scoring_job
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.training import training_job
from doge_ray.stages.score_table import read_scores
from doge_ray.stages.world import World
from doge_ray.tickets import Ticket, overlap
from tests.engine.project import make_project

ALONE = World(0, 1, torch.device("cpu"))
DENSE = Assignment("dense", 0, 0, 7, 0.01, 16)
DOGE = Assignment("doge", 0, 0, 7, 0.01, 16, sparsity=0.4, variance_weight=100.0)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"), train={"max_epochs": 1})


def scored(path: Path, *overrides: str) -> tuple[Pipeline, dict[str, Any]]:
    """Fine-tune, unless that is published, and score."""
    config = load_config(str(path), overrides)
    prepared = prepare(config, load_corpus(config.data), find_model(config.model))
    prepared.initialise(DENSE.seed)
    pipeline = Pipeline(prepared.graph, prepared.store)
    training = training_job(pipeline.trial(DENSE), prepared.store)
    training.run(ALONE, lambda record: None)
    job = scoring_job(prepared.graph, prepared.store, training.stage)
    job.run(ALONE, lambda record: None)
    file = prepared.store.files(job.stage) / "scores.parquet"
    moments, _, source = read_scores(file)
    found = {"source": source, "counts": moments.count_D.tolist(), "training": training.stage}
    return replace(pipeline, finetuned={DENSE.seed: training.stage}), found


def ticket(path: Path, *overrides: str) -> Ticket:
    return scored(path, *overrides)[0].trial(DOGE).ticket


def test_the_score_table_says_how_it_was_made(path: Path) -> None:
    _, exact = scored(path)
    _, released = scored(path, "scoring.method=authors_code", "scoring.batch_size=16")
    assert exact["training"] == released["training"]
    training = exact["training"].digest
    assert exact["source"] == {"training": training, "granularity": "example"}
    assert released["source"] == {
        "training": training,
        "method": "authors_code",
        "batch_size": 16,
        "ffn_rank": "absolute",
    }
    assert exact["counts"] == [108, 108, 108]
    assert released["counts"] == [7, 7, 7]


def test_a_doge_ticket_is_ranked_as_its_table_says(path: Path) -> None:
    exact = ticket(path)
    released = ticket(path, "scoring.method=authors_code", "scoring.batch_size=16")
    assert "ffn_rank" not in exact.provenance
    assert released.provenance["ffn_rank"] == "absolute"
    shared = overlap(exact, released)
    assert (~exact.head_mask).sum() == (~released.head_mask).sum() == 4
    assert 0 <= shared.heads.jaccard <= 1


def test_a_level_of_the_paper_removes_its_own_share_of_heads_and_of_ffn_blocks(path: Path) -> None:
    """It removes 75 % of 3 x 4 heads with 5 / 12 of the 3 blocks."""
    pipeline, _ = scored(path, "search.sparsity=paper", "scoring.min_heads=0")
    drawn = pipeline.trial(replace(DOGE, sparsity=0.5278)).ticket
    assert (~drawn.head_mask).sum() == 9
    assert (~drawn.ffn_mask).sum() == 1
    assert drawn.provenance["ffn_sparsity"] == 5 / 12


def test_after_a_lack_of_memory_only_exact_scores_come_of_smaller_batches(path: Path) -> None:
    pipeline, found = scored(path)
    exact = scoring_job(pipeline.graph, pipeline.store, found["training"])
    less = exact.after_memory_kill(1)
    assert less.batch_size == -(-exact.batch_size // 2)
    assert less.identity == exact.identity
    released = replace(exact, method="authors_code")
    assert released.after_memory_kill(1) == released
