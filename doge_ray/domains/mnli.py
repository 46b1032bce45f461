"""The paper's MNLI data (section 4.1): sentence pairs of ten genres, three-way entailment.

Williams et al., "A Broad-Coverage Challenge Corpus for Sentence Understanding through Inference",
NAACL 2018. Five genres have training rows; the other five stand in its mismatched validation set
alone and are the paper's targets. MNLI-4 and MNLI-3 of the paper's table 4 train on fewer genres,
which it does not name: ``data.draw`` goes through all choices there are.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from doge_ray.config.data import MnliData
from doge_ray.domains.checks import check_domains
from doge_ray.domains.labelled import Corpus, LabelledText
from doge_ray.domains.subset import stratified
from doge_ray.domains.tabular import labelled_text, read_records
from doge_ray.errors import InputError
from doge_ray.seeds import derive_seed

GENRES = (
    *("fiction", "government", "slate", "telephone", "travel"),
    *("facetoface", "letters", "nineeleven", "oup", "verbatim"),
)
LABELS = ("contradiction", "entailment", "neutral")
HUB_LABELS = ("entailment", "neutral", "contradiction")  # their order in the hub's label column
HUB_COLUMNS = ("genre", "premise", "hypothesis", "label")
DEV_FRACTION = 0.1  # of a genre's training rows, where the matched validation set has none of it
REMEDY = (
    "check the network, or get the data another way: data.root=FOLDER for the authors' layout, "
    "data.hub=FOLDER for a copy of the hub's files"
)


def load(data: MnliData) -> Corpus:
    """The genres' rows from ``data.root``, or from the hub.

    Raises:
        InputError: a genre is unknown, a file or column is missing or malformed, or the hub can't
            be reached.
    """
    check_domains(data.source_domains, data.target_domains, GENRES, "MNLI")
    sources = source_genres(data)
    return _from_hub(data, sources) if data.root is None else _from_root(data, sources)


def source_genres(data: MnliData) -> tuple[str, ...]:
    """The genres to train on: all, or draw number ``data.draw`` of every choice there is."""
    if data.num_sources is None:
        return data.source_domains
    choices = list(itertools.combinations(data.source_domains, data.num_sources))
    order = np.random.default_rng(derive_seed(0, "mnli", "sources")).permutation(len(choices))
    return choices[order[data.draw % len(choices)]]


def _from_root(data: MnliData, sources: tuple[str, ...]) -> Corpus:
    root = Path(str(data.root))
    return Corpus(
        LABELS,
        train={genre: _read(root / genre / "train.json") for genre in sources},
        dev={genre: _read(root / genre / "dev.json") for genre in sources},
        test={genre: _read(root / genre / "test.json") for genre in data.target_domains},
    )


def _read(file: Path) -> LabelledText:
    records = read_records(file, ("text_a", "text_b", "label"))
    codes = {name: code for code, name in enumerate(LABELS)}
    return labelled_text(records, codes, text="text_a", text_pair="text_b", label="label")


def _from_hub(data: MnliData, sources: tuple[str, ...]) -> Corpus:
    """Dev rows of a source are those of the matched validation set."""
    tables = _hub_tables(data.hub)
    train = {genre: _of_genre(tables["train"], genre) for genre in sources}
    dev = {genre: _of_genre(tables["validation_matched"], genre) for genre in sources}
    for genre in sources:
        if not dev[genre].texts:
            train[genre], dev[genre] = _divided(train[genre], genre)
    mismatched = tables["validation_mismatched"]
    test = {genre: _of_genre(mismatched, genre) for genre in data.target_domains}
    return Corpus(LABELS, train, dev, test)


def _hub_tables(hub: str) -> dict[str, pa.Table]:
    """The labelled rows of each split: genre, premise, hypothesis and the label's name."""
    import datasets  # takes seconds, and only this place needs it

    try:
        splits = datasets.load_dataset(hub)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"data.hub={hub!r} could not be loaded ({reason}); {REMEDY}") from error
    tables = {}
    for name in ("train", "validation_matched", "validation_mismatched"):
        if name not in splits:
            raise InputError(
                f"data.hub={hub!r} has no split {name!r}, it has {', '.join(splits)}; expected "
                "the splits and columns of nyu-mll/multi_nli"
            )
        missing = set(HUB_COLUMNS) - set(splits[name].column_names)
        if missing:
            raise InputError(
                f"data.hub={hub!r}: its split {name!r} has no {', '.join(sorted(missing))}; "
                "expected the splits and columns of nyu-mll/multi_nli"
            )
        place = f"data.hub={hub!r}, split {name!r}"
        tables[name] = _labelled(splits[name].select_columns(list(HUB_COLUMNS)), place)
    return tables


def _labelled(split: Any, place: str) -> pa.Table:
    """Without the rows on whose label the annotators did not agree, which is -1."""
    table: pa.Table = split.with_format("arrow")[:]
    names = dict(enumerate(getattr(split.features["label"], "names", HUB_LABELS)))
    labels = [names.get(label, label) for label in table["label"].to_pylist()]
    unknown = {label for label in labels if label not in (-1, *LABELS)}
    if unknown:
        raise InputError(
            f"{place}: label {sorted(map(str, unknown))[0]!r} is none of MNLI's; allowed: "
            f"{', '.join(LABELS)}, or their numbers in {', '.join(HUB_LABELS)}, or -1"
        )
    named = pa.array([None if label == -1 else label for label in labels], pa.string())
    table = table.set_column(table.schema.get_field_index("label"), "label", named)
    return table.filter(pc.is_valid(table["label"]))


def _of_genre(table: pa.Table, genre: str) -> LabelledText:
    rows = table.filter(pc.equal(table["genre"], genre)).to_pydict()
    labels = tuple(LABELS.index(name) for name in rows["label"])
    return LabelledText(tuple(rows["premise"]), tuple(rows["hypothesis"]), labels)


def _divided(text: LabelledText, genre: str) -> tuple[LabelledText, LabelledText]:
    """Train and dev of a genre: a fixed share of its rows is held out."""
    count = round(DEV_FRACTION * len(text))
    held_out = stratified(text.labels, count, "dev", genre)
    return text.take(np.setdiff1d(np.arange(len(text)), held_out)), text.take(held_out)
