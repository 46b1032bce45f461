"""The commands that the README shows, and a folder in which they run in seconds."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from markdown_it import MarkdownIt

from doge_ray.domains.amazon import CATEGORIES
from doge_ray.domains.mnli import GENRES
from doge_ray.domains.mnli import LABELS as ENTAILMENT
from doge_ray.shipped import SWEEPS
from tests.engine.project import ROOT, WORDS, make_project

TOKENS = MarkdownIt().enable("table").parse((ROOT / "README.md").read_text())
# What a line of a shell may begin with here.
PROGRAMS = (
    ".",
    "doge-ray",
    "python",
    "pip",
    "make",
    "ray",
    "mlflow",
    "docker",
    "kubectl",
    "aws",
    "uv",
)


def commands() -> list[str]:
    """All that stand in the indented blocks and in the text, once, in order, without remarks."""
    blocks = [token.content for token in TOKENS if token.type == "code_block"]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    inline = (child for token in TOKENS for child in token.children or ())
    spans = [child.content for child in inline if child.type == "code_inline"]
    shown = [" ".join(re.split(r"\s#\s", line)[0].split()) for line in [*lines, *spans]]
    return list(dict.fromkeys(line for line in shown if line.partition(" ")[0] in PROGRAMS))


def fenced(language: str) -> str:
    """The one fenced block of a language."""
    [block] = (token.content for token in TOKENS if token.info == language)
    return block


def make_folder(folder: Path) -> Path:
    """Every shipped sweep with a tiny model and made data, the README's own, and a quickstart."""
    quickstart = yaml.safe_load(
        make_project(
            folder,
            name="quickstart",
            storage="runs",
            methods=["dense", "winning", "doge"],
            train={"max_epochs": 1},
        ).read_text()
    )
    tiny = {"model": quickstart["model"], "train": quickstart["train"], "resources": {}}
    few_heads = {"scoring": {"min_heads": 0}}  # for the highest of the paper's sparsity levels
    for file in SWEEPS.glob("*.yaml"):
        settings = yaml.safe_load(file.read_text())
        if "parts" not in settings:
            settings |= tiny | few_heads
            settings["data"]["root"] = str(folder / settings["data"]["set"])
        _write(folder / "sweeps" / file.name, yaml.safe_dump(settings))
    _write(folder / "sweeps/quickstart.yaml", yaml.safe_dump(quickstart))
    own = yaml.safe_load(fenced("yaml"))
    _write(folder / "sweeps/tickets.yaml", yaml.safe_dump(own | tiny))
    _make_data(folder, own["data"])
    return folder


def _make_data(folder: Path, own: dict[str, Any]) -> None:
    for category in CATEGORIES:
        for split in ("train", "dev", "test"):
            rows = ({"text": text, "label": str(n % 3)} for n, text in _texts(24))
            _write_rows(folder / f"amazon/{category}/{split}.json", rows)
    for genre in GENRES:
        for split in ("train", "dev", "test"):
            rows = (
                {"text_a": text, "text_b": text, "label": ENTAILMENT[n % 3]}
                for n, text in _texts(24)
            )
            _write_rows(folder / f"mnli/{genre}/{split}.json", rows)
    types = yaml.safe_load((SWEEPS / "ontonotes.yaml").read_text())["data"]["types"]
    sentences = "\n".join(
        "".join(f"{word}\tO\n" for word in text.split()) + f"w1\tB-{types[n % len(types)]}\n"
        for n, text in _texts(3 * len(types))
    )
    for genre in ("bc", "bn", "mz", "nw", "tc", "wb"):
        for split in ("train", "dev", "test"):
            _write(folder / f"ontonotes/{genre}/{split}.txt", sentences)
    domains = (*own["source_domains"], *own["target_domains"])
    rows = (
        {"text": text, "label": ("refund", "repair")[n % 2], "domain": domain}
        for domain in domains
        for n, text in _texts(40)
    )
    _write_rows(folder / own["path"], rows)


def _texts(number: int) -> Iterator[tuple[int, str]]:
    draw = random.Random(0)
    return ((n, " ".join(draw.sample(WORDS, 6))) for n in range(number))


def _write_rows(file: Path, rows: Iterable[dict[str, str]]) -> None:
    _write(file, "".join(json.dumps(row) + "\n" for row in rows))


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
