"""Before Ray starts: find model and data, check them, tokenise."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from transformers import PreTrainedTokenizerBase

from doge_ray.config import SweepConfig
from doge_ray.config.load import check_name, validate
from doge_ray.config.methods import compares_domains, objective_of
from doge_ray.config.renames import renamed_settings
from doge_ray.config.search import bounds
from doge_ray.domains.corpus import Corpus
from doge_ray.domains.encode import encode
from doge_ray.domains.encoded import Encoded, open_encoded
from doge_ray.encoders.families import longest_input, unit_parameters, unit_shape
from doge_ray.encoders.folders import save_model
from doge_ray.encoders.initial import initial_model
from doge_ray.encoders.locate import fingerprint
from doge_ray.encoders.stock import read_config
from doge_ray.encoders.tokenizer import load_tokenizer
from doge_ray.engine.graph import Graph, ModelFacts
from doge_ray.engine.store import StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.tracking.tracker import tracking_uri
from doge_ray.errors import DAMAGED, InputError
from doge_ray.objectives import OBJECTIVES
from doge_ray.stages.run import steps_per_epoch
from doge_ray.tickets.draw import units_removed
from doge_ray.tickets.ticket import dense_ticket


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
        facts = self.graph.model
        ticket = dense_ticket(facts.num_layers, facts.num_heads, facts.parameters)
        masks = ticket.head_mask, ticket.ffn_mask
        self.store.put(stage, {}, lambda folder: save_model(model, folder, *masks))

    def claim_folder(self) -> None:
        """Say in the sweep's folder whose results it holds."""
        folder = self.config.name
        self.results.write_text(f"{folder}/sweep.json", json.dumps(_describe(self.graph), indent=1))
        audit = json.dumps(self.data.audit.to_dict(), indent=1)
        self.results.write_text(f"{folder}/audit.json", audit)

    def tokenizer(self) -> PreTrainedTokenizerBase:
        """Of the pretrained model."""
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
    _check_folder(results, graph)
    data = encode_once(corpus, model_folder, graph, store)
    _check_batches(config, data)
    for domain, fold in folds.items():
        _check_batches(config, encode_once(fold, model_folder, graph.fold(domain), store))
    return Prepared(config, graph, store, results, model_folder, data)


def encode_once(corpus: Corpus, model_folder: Path, graph: Graph, store: StageStore) -> Encoded:
    """The tokenised corpus, from the store if it is there."""
    if store.result(graph.encoding) is None:
        tokenizer = load_tokenizer(model_folder)
        train = graph.config.train
        length, longest = train.max_length, longest_input(read_config(model_folder))
        if longest is not None and length > longest:
            raise InputError(
                f"train.max_length={length} is more than the {longest} positions of the model; "
                "choose that or less"
            )
        store.put(
            graph.encoding,
            {},
            lambda folder: encode(corpus, tokenizer, length, folder, train.long_sentences),
        )
    return open_encoded(store.files(graph.encoding))


def recall(name: str, storage: str) -> tuple[Graph, StageStore, Storage]:
    """The graph of a sweep that was started, from its folder alone.

    Raises:
        InputError: there is no such sweep in the storage.
    """
    results = Storage(storage)
    check_name(name)
    place = f"{results.root}/{name}/sweep.json"
    if not results.has(f"{name}/sweep.json"):
        names = [n for n in results.list("") if results.has(f"{n}/sweep.json")]
        there = f"there are: {', '.join(names)}" if names else "there is none yet"
        raise InputError(f"storage={storage!r} holds no sweep named {name!r}; {there}")
    graph = _described(results, name)
    if graph.config.name != name:
        raise InputError(
            f"{place} is of a sweep named {graph.config.name!r}; give its folder that name again"
        )
    return graph, StageStore(results.below("store")), results


def _check_folder(results: Storage, graph: Graph) -> None:
    """Refuse a folder that holds another sweep's results."""
    if not results.has(f"{graph.config.name}/sweep.json"):
        return
    before, now = _described(results, graph.config.name).science, graph.science
    changed = [
        f"{renamed_settings().get(key, key)}: {before.get(key)!r} there, {now.get(key)!r} here"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
    if changed:
        raise InputError(
            f"{results.root}/{graph.config.name} holds a sweep with other settings "
            f"({'; '.join(changed)}); give this one its own folder with name=NEW_NAME"
        )


def _describe(graph: Graph) -> dict[str, Any]:
    model = asdict(graph.model) | {"parameters": graph.model.parameters._asdict()}
    return {
        "config": graph.config.model_dump(mode="json"),
        "model": model,
        "corpus": graph.corpus,
        "label_names": list(graph.label_names),
        "folds": dict(graph.folds),
        "task": graph.task,
    }


def _described(results: Storage, name: str) -> Graph:
    """The inverse of ``_describe``, from the sweep's folder."""
    place = f"{results.root}/{name}/sweep.json"
    try:
        record = json.loads(results.read_text(f"{name}/sweep.json") or "")
        config = validate(record["config"], place)
        graph = _GRAPH.validate_python(record | {"config": config})
        graph.model.parameters.require(graph.model.num_layers, graph.model.num_heads)
    except DAMAGED as error:
        raise InputError(
            f"{place} does not describe a sweep ({error}); restore it, or delete its folder and "
            "start the sweep again: what is in the store is not computed again"
        ) from None
    return graph


_GRAPH = TypeAdapter(Graph)


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
