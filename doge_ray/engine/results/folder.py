"""Whose results a sweep's folder holds: ``sweep.json`` and ``audit.json``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from doge_ray.config.load import check_name, validate
from doge_ray.config.renames import renamed_settings
from doge_ray.config.schema import SweepConfig
from doge_ray.domains.audit import Audit
from doge_ray.engine.store import StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.trials.choice import is_asked_for
from doge_ray.engine.trials.journal import Journal
from doge_ray.engine.work.graph import Graph
from doge_ray.errors import DAMAGED, InputError

SWEEP, AUDIT = "sweep.json", "audit.json"


def claim_folder(results: Storage, graph: Graph, audit: Audit) -> None:
    """Say in a sweep's folder whose results it holds."""
    folder = graph.config.name
    results.write_text(f"{folder}/{SWEEP}", json.dumps(_describe(graph), indent=1))
    results.write_text(f"{folder}/{AUDIT}", json.dumps(audit.to_dict(), indent=1))


def is_claimed(results: Storage, name: str) -> bool:
    """Whether a single sweep was started under a name."""
    return results.has(f"{name}/{SWEEP}")


def check_folder(results: Storage, graph: Graph) -> None:
    """Refuse a folder that holds another sweep's results.

    Raises:
        InputError: names the settings that differ, or what would be left out of what there is.
    """
    if not is_claimed(results, graph.config.name):
        return
    before = _described(results, graph.config.name)
    names = renamed_settings()
    changed = [
        f"{names.get(key, key)}: {_shown(before, key)} there, {_shown(graph, key)} here"
        for key in sorted({*before.science, *graph.science})
        if before.science.get(key) != graph.science.get(key)
    ]
    if changed:
        raise InputError(
            f"{results.root}/{graph.config.name} holds a sweep with other settings "
            f"({'; '.join(changed)}); set them as they are there to go on with it, or give this "
            "one its own folder with name=NEW_NAME"
        )
    _check_kept(results, graph.config)


def _shown(graph: Graph, key: str) -> str:
    """A setting's value as one would write it; there may be none of a data set's own."""
    if key in graph.science:
        return json.dumps(graph.science[key])
    value: Any = graph.config.model_dump(mode="json")
    for part in key.split("."):
        value = value.get(part, "unset") if isinstance(value, dict) else "unset"
    return "unset" if value == "unset" else json.dumps(value)


def _check_kept(results: Storage, config: SweepConfig) -> None:
    """Refuse to ask for less than has finished: the choice would be another, from fewer trials."""
    ended = [each.assignment for each in Journal(results, config.name).entries() if each.is_settled]
    left = [each for each in ended if not is_asked_for(each, config)]
    if not left:
        return
    missing = sorted({each.method for each in left} - {*config.methods})
    least = {
        "search.num_trials": [each.trial + 1 for each in left if not each.replicate],
        "replicates": [each.replicate for each in left],
    }
    needs = [f"{key}={max(numbers)}" for key, numbers in least.items() if any(numbers)]
    raise InputError(
        f"{results.root}/{config.name} holds {len(left)} finished trial(s) that are asked for no "
        f"more, such as {left[0].name}, and results are not taken back; ask for them again "
        f"({', '.join([f'methods with {name}' for name in missing] or needs)}), or give this sweep "
        "its own folder with name=NEW_NAME"
    )


def recall(name: str, storage: str) -> tuple[Graph, StageStore, Storage]:
    """The graph of a sweep that was started, from its folder alone.

    Raises:
        InputError: there is no such sweep in the storage.
    """
    results = Storage(storage)
    if not is_claimed(results, check_name(name)):
        names = [n for n in results.list("") if is_claimed(results, n)]
        there = f"there are: {', '.join(names)}" if names else "there is none yet"
        raise InputError(f"storage={storage!r} holds no sweep named {name!r}; {there}")
    graph = _described(results, name)
    if graph.config.name != name:
        raise InputError(
            f"{results.root}/{name}/{SWEEP} is of a sweep named {graph.config.name!r}; give its "
            "folder that name again"
        )
    return graph, StageStore(results.below("store")), results


def read_audit(storage: Storage, sweep: str) -> Audit | None:
    """The audit that a sweep left in its folder."""
    if not storage.has(f"{sweep}/{AUDIT}"):
        return None
    try:
        return Audit.from_dict(json.loads(storage.read_text(f"{sweep}/{AUDIT}") or ""))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{storage.root}/{sweep}/{AUDIT} is damaged ({error}); start the sweep again: it is "
            "written anew, and nothing is computed twice"
        ) from None


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
    place = f"{results.root}/{name}/{SWEEP}"
    try:
        record = json.loads(results.read_text(f"{name}/{SWEEP}") or "")
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
