"""What the folder of several sweeps holds: which they are, and the tables and page of all.

A folder ``<storage>/<name>`` holds ``parts.json``, which names the sweeps, and the tables and
page of all. Everything else is each sweep's own, in its own folder.
"""

from __future__ import annotations

import json

from pydantic import TypeAdapter

from doge_ray.config import Parts, SweepConfig
from doge_ray.config.load import check_name
from doge_ray.config.schema import NAME
from doge_ray.config.section import Section, setting
from doge_ray.engine.results.folder import is_claimed
from doge_ray.engine.results.reading import open_book
from doge_ray.engine.results.writing import publish_tables, write_page
from doge_ray.engine.store.storage import Storage
from doge_ray.errors import InputError
from doge_ray.reporting.combined import PartRecords, combined_markdown
from doge_ray.reporting.combined_page import combined_page
from doge_ray.shell import command_line


class _Described(Section):
    """A part in ``parts.json``."""

    name: str = setting(..., "of its sweep and folder", pattern=NAME)
    column: str = setting(..., "result that it belongs to")
    paper: dict[str, float] = setting(..., "published results by method")


_DESCRIBED = TypeAdapter(list[_Described])


def check_parts_folder(parts: Parts) -> None:
    """Refuse a name under which an ordinary sweep has its results.

    Raises:
        InputError: there is one.
    """
    results = Storage(parts.storage)
    if is_claimed(results, parts.name):
        raise InputError(
            f"{results.root}/{parts.name} holds a single sweep; give this one its own folder with "
            "name=NEW_NAME"
        )


def claim_parts_folder(parts: Parts) -> None:
    """Say in the folder of several sweeps which they are."""
    described = [
        {"name": part.config.name, "column": part.column, "paper": published(part.config)}
        for part in parts.parts
    ]
    Storage(parts.storage).write_text(f"{parts.name}/parts.json", json.dumps(described, indent=1))


def has_parts(name: str, storage: str) -> bool:
    """Whether several sweeps were started under this name."""
    return Storage(storage).has(f"{check_name(name)}/parts.json")


def publish_combined(name: str, storage: str) -> list[PartRecords]:
    """Write the tables of all parts, and the combined page and summary, from what is stored."""
    results = Storage(storage)
    records = [_records(part, results) for part in _described(name, results)]
    results.write_text(f"{name}/summary.md", combined_markdown(name, records))
    write_page(name, *combined_page(name, records), results)
    return records


def published(config: SweepConfig) -> dict[str, float]:
    """The paper's results of the methods of a sweep, in percent, as far as there are any."""
    values = {method: config.published(method) for method in config.methods}
    return {method: value for method, value in values.items() if value is not None}


def _described(name: str, results: Storage) -> list[_Described]:
    try:
        return _DESCRIBED.validate_json(results.read_text(f"{name}/parts.json") or "")
    except ValueError as error:
        raise InputError(
            f"{results.root}/{name}/parts.json does not list sweeps ({error}); start them again, "
            f"{command_line('doge-ray', 'sweep', name)}: it is written anew, and nothing "
            "is computed twice"
        ) from None


def _records(part: _Described, results: Storage) -> PartRecords:
    records = None
    if is_claimed(results, part.name):
        records = publish_tables(open_book(part.name, results.root), results)
    return PartRecords(part.name, part.column, part.paper, records)
