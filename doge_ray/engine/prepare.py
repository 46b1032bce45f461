"""Before Ray starts: find model and data, check them, tokenise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from doge_ray.config.methods import compares_domains, objective_of
from doge_ray.config.schema import SweepConfig
from doge_ray.config.search import bounds
from doge_ray.domains.encoded import Encoded
from doge_ray.domains.labelled import Corpus
from doge_ray.encoders.families import unit_parameters, unit_shape
from doge_ray.encoders.folders import save_model
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.locate import fingerprint
from doge_ray.encoders.tokenizer import Reader, load_tokenizer
from doge_ray.engine.results.folder import check_folder
from doge_ray.engine.store import StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.tracking.server import tracking_uri
from doge_ray.engine.work.encoding import encode_once
from doge_ray.engine.work.graph import Graph, ModelFacts
from doge_ray.errors import InputError
from doge_ray.objectives import OBJECTIVES
from doge_ray.stages.recipe import steps_per_epoch
from doge_ray.tickets.draw import units_removed


@dataclass(frozen=True)
class Prepared:
    """Everything that was checked and is needed to run."""

    config: SweepConfig
    graph: Graph
    store: StageStore
    results: Storage
    model_folder: Path
    data: Encoded

    def on(self, config: SweepConfig) -> Prepared:
        """The same with a configuration that a cluster decided on."""
        return replace(self, config=config, graph=replace(self.graph, config=config))

    def discard_remains(self) -> None:
        """Delete what killed processes left half written."""
        self.store.discard_orphans()
        self.results.discard_partials(self.config.name)

    def initialise(self, seed: int) -> None:
        """Publish θ0 of a seed, unless it is."""
        stage = self.graph.initial(seed)
        if self.store.result(stage) is not None:
            return
        model = initial_model(
            self.model_folder,
            self.graph.label_names,
            stage.inputs["seed"],
            self.config.train.dropout,
            self.graph.task,
        )
        self.store.put(stage, {}, lambda folder: save_model(model, folder))

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the pretrained model."""
        return load_tokenizer(self.model_folder)


def prepare(config: SweepConfig, corpus: Corpus, model_folder: Path) -> Prepared:
    """Check all that can be checked without training, and encode the data.

    Raises:
        InputError: storage, model, data and settings do not work together.
    """
    results = Storage(config.storage)
    store = StageStore(results.below("store"))
    tracking_uri(config.storage)
    # Only its shape is read, so neither the seed nor the classes matter.
    model = initial_model(model_folder, corpus.label_names, seed=0, task=corpus.task)
    facts = ModelFacts(fingerprint(model_folder), *unit_shape(model), unit_parameters(model))
    _check_sparsity(config, facts)
    folds = _folds(config, corpus)
    graph = Graph(
        config,
        facts,
        corpus.fingerprint,
        tuple(corpus.label_names),
        corpus.task,
        {domain: fold.fingerprint for domain, fold in folds.items()},
    )
    check_folder(results, graph)
    reader = Reader.of(model_folder)
    data = encode_once(corpus, reader, graph, store)
    _check_batches(config, data)
    for domain, fold in folds.items():
        _check_batches(config, encode_once(fold, reader, graph.fold(domain), store))
    return Prepared(config, graph, store, results, model_folder, data)


def _folds(config: SweepConfig, corpus: Corpus) -> dict[str, Corpus]:
    """The corpus without each of its source domains, where trials are chosen so."""
    if config.selection != "leave_one_domain_out":
        return {}
    # Over the one domain that a fold of two is left with there is neither variance nor objective.
    over_domains = [m for m in config.methods if compares_domains(m)]
    least = 3 if over_domains else 2
    if len(corpus.train) < least:
        raise InputError(
            f"selection=leave_one_domain_out needs {least} source domains for "
            f"methods={list(config.methods)}, there is {', '.join(corpus.train)}; "
            "name more in data.source_domains, or choose by selection=source_dev"
        )
    return {domain: corpus.without(domain) for domain in corpus.train}


def _check_batches(config: SweepConfig, data: Encoded) -> None:
    """Every batch of an objective over domains must hold enough of each."""
    counts = np.bincount(data.train.domains_N, minlength=len(data.source_domains))
    rows = dict(zip(data.source_domains, counts.tolist(), strict=True))
    for method in config.methods:
        objective = objective_of(method)
        need = OBJECTIVES[objective].rows_per_domain if objective else 0
        for size in config.search.batch_size if need else ():
            batches = steps_per_epoch(sum(rows.values()), size)
            for domain, count in rows.items():
                if count < need * batches:
                    raise InputError(
                        f"search.batch_size={size}: {method} needs {need} row(s) of every source "
                        f"domain in each batch, but {domain!r} has {count} rows for {batches} "
                        "batches; choose a larger batch size, or leave the domain out"
                    )
    if any(map(objective_of, config.methods)) and len(rows) < 2:
        raise InputError(
            f"methods={list(config.methods)}: an objective over domains needs two source domains, "
            f"there is only {', '.join(rows)}"
        )


def _check_sparsity(config: SweepConfig, facts: ModelFacts) -> None:
    heads, least = facts.num_heads, config.scoring.min_heads
    removable = facts.num_layers * max(0, heads - least)
    for sparsity in bounds(config.search.space("sparsity")):
        removed = config.search.level(sparsity).heads
        if units_removed(removed, facts.num_layers * heads) > removable:
            raise InputError(
                f"search.sparsity={sparsity:g} is impossible for this model: of "
                f"{facts.num_layers} x {heads} heads, {removable} can go while each layer keeps "
                f"scoring.min_heads={least}; lower one of the two"
            )
