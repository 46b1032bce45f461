"""``python -m doge_ray.report NAME [storage=FOLDER]``: tables, figures and page again.

From what is stored: works at any moment, also while the sweep runs; trains nothing and needs no
Ray.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from doge_ray.arguments import Parser
from doge_ray.command import run_command
from doge_ray.engine.results.combined import has_parts, publish_combined
from doge_ray.engine.results.reading import open_book
from doge_ray.engine.results.writing import publish_report, publish_tables
from doge_ray.engine.store.storage import Storage
from doge_ray.errors import InputError
from doge_ray.reporting.combined import combined
from doge_ray.reporting.comparison import with_oracle
from doge_ray.reporting.tables import terminal
from doge_ray.shell import called, quoted
from doge_ray.terminal import make_console, say

WRITTEN = ("report.html", "figures/", "summary.md", "trials.parquet")


def main(arguments: Sequence[str]) -> None:
    """Parse the command line; write and print the tables."""
    options = _parser().parse_args(arguments)
    key, equals, storage = options.storage.partition("=")
    if key != "storage" or not equals:
        raise InputError(f"{options.storage!r}: the only setting of a report is storage=FOLDER")
    Storage(storage).check_reachable()
    console = make_console()
    if has_parts(options.name, storage):
        parts = publish_combined(options.name, storage)
        console.print(terminal(combined(parts), options.name))
        place = quoted(Storage(storage).below(options.name))
        say(console, "written", f"{place}: report.html, figures/, summary.md")
        return
    results = Storage(storage)
    book = open_book(options.name, storage)
    records = publish_tables(book, results)
    console.print(terminal(with_oracle(records), records.name))
    publish_report(records, book.pipeline.graph, results)
    say(console, "written", f"{quoted(results.below(options.name))}: {', '.join(WRITTEN)}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=called("report"),
        description=f"Write a sweep's {', '.join(WRITTEN)} again from what is stored.",
    )
    parser.add_argument("name", help="of the sweep, as in its folder")
    parser.add_argument(
        "storage", nargs="?", default="storage=runs", help="storage=FOLDER; default: runs"
    )
    return parser


if __name__ == "__main__":
    run_command(main)
