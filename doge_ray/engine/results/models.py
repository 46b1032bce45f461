"""What a sweep leaves in its folder in the end: tickets, and the chosen models."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from doge_ray.encoders.folders import load_model, save_model
from doge_ray.engine.store import StageStore
from doge_ray.engine.store.storage import Storage
from doge_ray.engine.trials.book import Book
from doge_ray.engine.trials.choice import is_candidate
from doge_ray.engine.work.trial import Trial


def publish_models(
    book: Book, results: Storage, tokenizer: Callable[[], PreTrainedTokenizerBase]
) -> None:
    """Write each method's chosen ticket and trained model, and every other ticket drawn."""
    pipeline, config = book.pipeline, book.pipeline.graph.config
    for entry in book.entries:
        if is_candidate(entry):
            ticket = pipeline.trial(entry.assignment).ticket
            results.write_text(f"{config.name}/tickets/{ticket.digest}.json", ticket.to_json())
    for method, entry in book.chosen(config.methods).items():
        trial = pipeline.trial(entry.assignment)
        ticket_file = f"{config.name}/tickets/{method}.json"
        results.write_text(ticket_file, trial.ticket.to_json())
        _publish_model(f"{config.name}/models/{method}", trial, pipeline.store, results, tokenizer)


def _publish_model(
    place: str,
    trial: Trial,
    store: StageStore,
    results: Storage,
    tokenizer: Callable[[], PreTrainedTokenizerBase],
) -> None:
    """Write a trained model, unless it stands there.

    Args:
        place: its folder in ``results``.
        trial: which trained it.
        store: where its weights are.
        results: of the sweep.
        tokenizer: loads the tokenizer to be written beside it.
    """
    told = {"training": trial.training.digest, **trial.assignment.asdict()}
    origin = json.dumps(told, indent=1)
    if results.read_text(f"{place}/origin.json") == origin:
        return
    model = load_model(store.files(trial.training))

    def write(target: Path) -> None:
        save_model(model, target, tokenizer())
        (target / "ticket.json").write_text(trial.ticket.to_json())

    results.replace_folder(place, write)
    # Last: where it stands, all the rest does.
    results.write_text(f"{place}/origin.json", origin)
