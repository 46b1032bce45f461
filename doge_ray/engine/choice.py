"""The configuration each study chose, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from doge_ray.config import SweepConfig
from doge_ray.engine.journal import Entry
from doge_ray.engine.pipeline import Assignment, Pipeline
from doge_ray.seeds import derive_seed
from doge_ray.tickets.selection import DevRecord, choose


def chosen(method: str, entries: Iterable[Entry]) -> Entry | None:
    """The finished trial of a method's search with the best source dev metric."""
    finished = {
        entry.assignment.trial: entry
        for entry in entries
        if entry.assignment.method == method
        and entry.assignment.replicate == 0
        and entry.status == "finished"
    }
    best = choose(DevRecord(n, entry.dev_metric or 0.0) for n, entry in finished.items())
    return None if best is None else finished[best]


def replicates(entry: Entry, config: SweepConfig) -> list[Assignment]:
    """The chosen configuration with fresh seeds, none of which took part in the choice."""
    return [
        replace(entry.assignment, replicate=r, seed=derive_seed(config.seed, "replicate", r))
        for r in range(1, config.replicates + 1)
    ]


def with_finetuned(pipeline: Pipeline, entries: Iterable[Entry]) -> Pipeline:
    """The pipeline in which tickets are drawn from the chosen dense configuration's models.

    The search draws from the chosen trial itself, each replicate from its own seed's model.
    """
    dense = chosen("dense", entries)
    if dense is None:
        return pipeline
    assignments = [dense.assignment, *replicates(dense, pipeline.graph.config)]
    return replace(pipeline, finetuned={a.seed: pipeline.training(a).stage for a in assignments})
