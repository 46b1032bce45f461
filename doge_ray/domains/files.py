"""Anyone's labelled text: JSON lines, CSV or Parquet, in three layouts.

One file with a domain column; a folder of {train,dev,test}.* with a domain column; a folder per
domain holding {train,dev,test}.*. One file counts as a folder's train.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import chain
from pathlib import Path

from doge_ray.config.data import FilesData
from doge_ray.domains.checks import check_domains, say_alike, say_unused
from doge_ray.domains.labelled import Corpus
from doge_ray.domains.subset import stratified
from doge_ray.domains.tabular import Record, labelled_text, read_records, whole_number
from doge_ray.errors import InputError, listed, one_form
from doge_ray.terminal import write

SPLITS = ("train", "dev", "test")
OTHER_NAMES = {
    "training": "train",
    **dict.fromkeys(("validation", "validate", "valid", "val", "devel", "development"), "dev"),
    "testing": "test",
}
DATA = {".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt", ".conll", ".gz", ".zip"}
"""Endings of files that may hold data."""
Splits = defaultdict[str, list[Record]]


def load(data: FilesData) -> Corpus:
    """The corpus in ``data.path``; its labels are those of the sources' training rows, sorted.

    Where a source domain has no dev rows, ``data.dev_fraction`` of its training rows becomes dev.
    A target is tested on its test rows, or on every row where it has none.

    Raises:
        InputError: a path, column, domain, row or label is missing or wrong.
    """
    domains = _read(data)
    sources = {domain: domains[domain] for domain in data.source_domains}
    names = _label_names(chain(*(splits["train"] for splits in sources.values())), data.label)
    say_alike(names)
    held_out = [domain for domain, splits in sources.items() if not splits["dev"]]
    for domain, splits in sources.items():
        if not splits["train"]:
            raise InputError(
                f"data.path={data.path}: source domain {domain!r} has no training rows; "
                "give it a train split, or make it a target"
            )
        if not splits["dev"]:
            _hold_out_dev(splits, domain, data)

    labelled = partial(
        labelled_text,
        labels={name: index for index, name in enumerate(names)},
        text=data.text,
        text_pair=data.text_pair,
        label=data.label,
    )
    corpus = Corpus(
        names,
        train={domain: labelled(splits["train"]) for domain, splits in sources.items()},
        dev={domain: labelled(splits["dev"]) for domain, splits in sources.items()},
        test={domain: labelled(_test_rows(domains[domain])) for domain in data.target_domains},
    )
    _check_held_out(corpus, held_out, data)
    return corpus


def _check_held_out(corpus: Corpus, domains: Iterable[str], data: FilesData) -> None:
    for domain in domains:
        if not len(corpus.train[domain]):
            raise InputError(
                f"data.path={data.path}: source domain {domain!r} has no dev split, and one held "
                f"out of its training rows takes all {len(corpus.dev[domain])}, since every label "
                "gets one; give it more rows, or a dev split"
            )


def _test_rows(splits: Splits) -> list[Record]:
    return splits["test"] or splits["train"] + splits["dev"]


def _label_names(rows: Iterable[Record], column: str) -> tuple[str, ...]:
    """Distinct labels; integers in their own order, so that 10 follows 9."""
    found = {row.name(column) for row in rows}
    names = sorted(
        name for name in found if name == whole_number(name) or whole_number(name) not in found
    )
    try:
        return tuple(sorted(names, key=int))
    except ValueError:
        return tuple(names)


def _hold_out_dev(splits: Splits, domain: str, data: FilesData) -> None:
    """Move a share of the training rows to dev; every label gets one row at least."""
    rows = splits["train"]
    labels = [row.name(data.label) for row in rows]
    count = max(len(set(labels)), round(data.dev_fraction * len(rows)))
    held_out = set(stratified(labels, count, "dev", domain).tolist())
    splits["dev"] = [rows[index] for index in sorted(held_out)]
    splits["train"] = [row for index, row in enumerate(rows) if index not in held_out]


def _read(data: FilesData) -> dict[str, Splits]:
    """The rows of every domain by split, whichever layout ``data.path`` has."""
    path = Path(data.path)
    if not path.exists():
        raise InputError(
            f"data.path={data.path} does not exist; name a file or a folder, from the working "
            f"directory on or from the sweep's file: there is no {path.absolute()}"
        )
    files = split_files(path) if path.is_dir() else {"train": path}
    if path.is_dir():
        say_unread(path, files)
    return _by_column(files, data) if files else _by_folder(path, data)


def split_files(folder: Path) -> dict[str, Path]:
    """The files {train,dev,test}.* of a folder, as far as there are any.

    Raises:
        InputError: a split has two files, or a file has another usual name of a split.
    """
    files: dict[str, Path] = {}
    for file in sorted(folder.iterdir()):
        usual = file.stem.lower()
        usual = OTHER_NAMES.get(usual, usual)
        if usual in SPLITS and usual != file.stem and file.is_file():
            raise InputError(
                f"{file}: splits are named train, dev and test; rename it {usual}{file.suffix}"
            )
        if file.stem in SPLITS and file.is_file():
            if file.stem in files:
                raise InputError(
                    f"{folder}: {files[file.stem].name} and {file.name} are both its "
                    f"{file.stem} split; keep one"
                )
            files[file.stem] = file
    return files


def say_unread(folder: Path, files: Mapping[str, Path]) -> None:
    """Tell of files beside a folder's splits that look like data, and are not read."""
    read = set(files.values())
    others = [
        file.name
        for file in sorted(folder.iterdir())
        if file.is_file() and file not in read and file.suffix.lower() in DATA
    ]
    if read and others:
        write(
            f"{folder}: {listed(others)} not read; what is read there is named train, dev or test, "
            "with one ending",
            error=True,
        )


def _by_column(files: dict[str, Path], data: FilesData) -> dict[str, Splits]:
    domains: dict[str, Splits] = defaultdict(lambda: defaultdict(list))
    for split, file in files.items():
        for row in read_records(file, (*_columns(data), data.domain), data.max_rows):
            domains[row.name(data.domain)][split].append(row)
    place = f"column {data.domain!r} of {data.path}"
    check_domains(data.source_domains, data.target_domains, domains, place)
    rows = {name: sum(map(len, splits.values())) for name, splits in domains.items()}
    say_unused((*data.source_domains, *data.target_domains), rows, place)
    return domains


def _by_folder(path: Path, data: FilesData) -> dict[str, Splits]:
    folders = domain_folders(path)
    if not folders:
        raise InputError(
            f"data.path={data.path} holds neither {{train,dev,test}}.* nor a folder per domain; "
            "arrange it in one of these ways"
        )
    check_domains(data.source_domains, data.target_domains, folders, f"the folder {data.path}")
    named = (*data.source_domains, *data.target_domains)
    say_unused(named, dict.fromkeys(folders), f"the folder {data.path}")
    domains: dict[str, Splits] = {}
    for domain in named:
        files = split_files(folders[domain])
        say_unread(folders[domain], files)
        rows = {
            split: read_records(file, _columns(data), data.max_rows)
            for split, file in files.items()
        }
        for split, file in files.items():
            if not rows[split]:
                raise InputError(f"{file} holds no rows; give it some, or delete it")
        domains[domain] = defaultdict(list, rows)
    return domains


def domain_folders(root: Path) -> dict[str, Path]:
    """The folders in ``root`` by name, which is compared in one Unicode form.

    Raises:
        InputError: two have the same name in that form.
    """
    folders: dict[str, Path] = {}
    for folder in sorted(root.iterdir()):
        name = one_form(folder.name)
        if folder.is_dir() and folders.setdefault(name, folder) != folder:
            raise InputError(
                f"{root}: two folders are named {name!r}, in two Unicode forms; join them"
            )
    return folders


def _columns(data: FilesData) -> list[str]:
    return [data.text, data.label] + ([data.text_pair] if data.text_pair else [])
