"""Scoring a model folder of any origin, on one device or several."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ray.train import TrainingFailedError

from doge_ray.config.schema import SweepConfig
from doge_ray.domains.encoded import Encoded
from doge_ray.domains.labelled import Corpus
from doge_ray.encoders.families import unit_parameters, unit_shape
from doge_ray.encoders.folders import load_model, save_model
from doge_ray.encoders.locate import fingerprint
from doge_ray.encoders.masks import require_dense
from doge_ray.encoders.stock import task_of
from doge_ray.encoders.tokenizer import Reader
from doge_ray.engine.cluster.avoidance import avoid
from doge_ray.engine.cluster.capacity import worker_resources
from doge_ray.engine.store import Stage, StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.work.encoding import encode_once
from doge_ray.engine.work.faults import describe, unfit_machine
from doge_ray.engine.work.graph import SCORES, Graph, ModelFacts
from doge_ray.engine.work.pipeline import Pipeline
from doge_ray.engine.work.task import scoring_task
from doge_ray.engine.work.workers import run_on_workers
from doge_ray.errors import InputError, SweepError

_LOGGER = logging.getLogger(__name__)


def score_model(pipeline: Pipeline, model: Stage) -> None:
    """Publish the scores of a fine-tuned model, unless they are.

    Raises:
        SweepError: the workers failed, and new attempts too.
    """
    store, config = pipeline.store, pipeline.graph.config
    task = scoring_task("scoring", pipeline.graph, store, model)
    jobs = [job for job in task.jobs if not job.is_done]
    unfit: dict[str, str] = {}
    while jobs:
        try:
            run_on_workers(jobs, store, task.workers, config.resources, config.search.max_failures)
            return
        except TrainingFailedError as error:
            machine = unfit_machine(error)
            if machine is None:
                raise SweepError(f"the workers that score failed: {describe(error)}") from error
            unfit[machine.node] = str(machine)
            avoid(unfit, worker_resources(config.resources), task.workers, _LOGGER.warning)


@dataclass(frozen=True)
class ModelToScore:
    """A fine-tuned model of any origin, with the data it is scored on."""

    pipeline: Pipeline
    model: Stage
    data: Encoded

    def on(self, config: SweepConfig) -> ModelToScore:
        """The same with a configuration that a cluster decided on."""
        graph = replace(self.pipeline.graph, config=config)
        return replace(self, pipeline=replace(self.pipeline, graph=graph))

    def score(self) -> Path:
        """Score it; returns the score table."""
        score_model(self.pipeline, self.model)
        self.pipeline.store.discard_files(self.model.path)
        return self.pipeline.store.files(self.pipeline.graph.scoring(self.model)) / SCORES


def model_to_score(config: SweepConfig, corpus: Corpus, folder: Path) -> ModelToScore:
    """Check that ``config.model`` can be scored on the sweep's domains, and encode them.

    Raises:
        InputError: the model is pruned, has no tokenizer or other classes than the data.
    """
    store = StageStore(Storage(config.storage).below("store"))
    model = load_model(folder)
    require_dense(model.config)
    if task_of(model.config) != corpus.task:
        kinds = {"classification": "texts", "tagging": "words"}
        raise InputError(
            f"model={config.model!r} classifies {kinds[task_of(model.config)]}, the data of "
            f"{config.name!r} has labelled {kinds[corpus.task]}; name a model of that kind"
        )
    if model.config.num_labels != len(corpus.label_names):
        raise InputError(
            f"model={config.model!r} tells {model.config.num_labels} classes apart, the data of "
            f"{config.name!r} has {len(corpus.label_names)} ({', '.join(corpus.label_names)}); "
            "name a model that was fine-tuned on these"
        )
    _check_order(config, [model.config.id2label[n] for n in range(model.config.num_labels)], corpus)
    facts = ModelFacts(fingerprint(folder), *unit_shape(model), unit_parameters(model))
    graph = Graph(config, facts, corpus.fingerprint, tuple(corpus.label_names), corpus.task)
    stage = Stage("model", {"files": facts.fingerprint})
    if not store.has_files(stage):
        store.put(stage, {}, lambda target: save_model(model, target))
    data = encode_once(corpus, Reader.of(folder), graph, store)
    return ModelToScore(Pipeline(graph, store), stage, data)


def _check_order(config: SweepConfig, names: Sequence[str], corpus: Corpus) -> None:
    """Names that say nothing (LABEL_0) are taken to be in the data's order."""
    known = corpus.label_names
    if set(names) == set(known) and tuple(names) != known:
        raise InputError(
            f"model={config.model!r} has its classes in the order {', '.join(names)}, the data of "
            f"{config.name!r} in the order {', '.join(known)}; reorder its classifier's rows and "
            "id2label, or its losses would be those of other classes"
        )
