"""``python -m tests.notebooks``: execute both notebooks and write them with their outputs.

Needs ``runs/quickstart``.
"""

from __future__ import annotations

import nbformat

from tests.engine.project import ROOT
from tests.notebooks.committed import NOTEBOOKS, clean, execute, read, record


def main() -> None:
    """Execute, take away what is the machine's, say from what it came."""
    for path in NOTEBOOKS:
        notebook = read(path)
        execute(notebook, ROOT)
        clean(notebook)
        record(notebook)
        nbformat.write(notebook, path)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
