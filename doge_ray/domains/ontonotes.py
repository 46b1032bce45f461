"""Named entities by domain: the paper's OntoNotes (section 4.1), or CoNLL files of any origin.

Three layouts of ``data.root``: a folder per domain with {train,dev,test}.txt or .conll; the same
with .json, one ``{"text": "the words", "label": ["O", ...]}`` per line, as the authors released
theirs; CoNLL-2012 files (``*_gold_conll``) below folders named train, development and test, with
the genre as the domain.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import chain
from pathlib import Path
from typing import Any

from doge_ray.config.data import OntonotesData
from doge_ray.domains.checks import check_domains, say_unused
from doge_ray.domains.conll import read_conll, read_conll2012
from doge_ray.domains.files import domain_folders, say_unread, split_files
from doge_ray.domains.labelled import Corpus, TaggedText
from doge_ray.domains.tabular import Record, read_records
from doge_ray.domains.tags import Sentence, detect_scheme, fault_of_tag, to_iob2
from doge_ray.errors import InputError, listed, nearest, suggestion
from doge_ray.terminal import write

Splits = dict[str, list[Sentence]]
SPLITS_2012 = {"train": "train", "development": "dev", "test": "test"}
LANGUAGES_2012 = frozenset({"english", "chinese", "arabic"})
LAYOUTS = "<domain>/{train,dev,test}.txt, .conll or .json, or CoNLL-2012 files (*_gold_conll)"


def load(data: OntonotesData) -> Corpus:
    """The corpus in ``data.root``, its tags in IOB2: O, then B- and I- of each type by name.

    A target is tested on its test split, or on every sentence where it has none.

    Raises:
        InputError: a folder, file, domain, split or entity type is missing, or tags are broken.
    """
    domains = _read(Path(data.root), data)
    sources = {domain: domains[domain] for domain in data.source_domains}
    _check_sources(sources, data.root)
    scheme = data.scheme if data.scheme != "auto" else detect_scheme(_sentences(domains.values()))
    types = _types(domains, data) if data.types is None else _known(data.types, sources)
    names = ("O", *(f"{part}-{kind}" for kind in types for part in "BI"))
    index = {name: position for position, name in enumerate(names)}

    def tagged(sentences: Iterable[Sentence]) -> TaggedText:
        rows = [(tuple(s.words), to_iob2(s, scheme)) for s in sentences]
        tags = tuple(tuple(index.get(tag, 0) for tag in tags) for _, tags in rows)
        return TaggedText(tuple(words for words, _ in rows), tags)

    return Corpus(
        names,
        train={domain: tagged(splits["train"]) for domain, splits in sources.items()},
        dev={domain: tagged(splits["dev"]) for domain, splits in sources.items()},
        test={domain: tagged(_test(domains[domain])) for domain in data.target_domains},
    )


def _test(splits: Splits) -> Iterable[Sentence]:
    return splits.get("test") or _sentences([splits])


def _check_sources(sources: Mapping[str, Splits], root: str) -> None:
    for domain, splits in sources.items():
        for split in ("train", "dev"):
            if not splits.get(split):
                raise InputError(
                    f"data.root={root}: source domain {domain!r} has no {split} split; "
                    "give it one, or make it a target"
                )


def _types(domains: Mapping[str, Splits], data: OntonotesData) -> list[str]:
    """The entity types that every named domain has."""
    by_domain = {domain: _types_in([splits]) for domain, splits in domains.items()}
    common = reduce(set.__and__, by_domain.values())
    if not common:
        there = "; ".join(f"{domain}: {', '.join(sorted(by))}" for domain, by in by_domain.items())
        raise InputError(
            f"data.root={data.root}: the named domains have no entity type in common ({there}); "
            "leave a domain out, or set data.types"
        )
    _say_left_out(domains, common)
    return sorted(common)


def _say_left_out(domains: Mapping[str, Splits], learned: set[str]) -> None:
    """Tell of entities whose types are not learned, as by a type that is misspelt in one domain."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for domain, splits in domains.items():
        tags = (tag for sentence in _sentences([splits]) for tag in sentence.tags if tag != "O")
        for kind in (tag[2:] for tag in tags):
            if kind not in learned:
                counts[kind][domain] += 1
    told = [
        f"{kind!r} ({', '.join(f'{count} in {domain}' for domain, count in by.items())})"
        f"{nearest(kind, learned)}"
        for kind, by in sorted(counts.items())
    ]
    if told:
        write(
            f"words of entity types that not every named domain has count as O: {listed(told)}; "
            "data.types names those to learn",
            error=True,
        )


def _known(types: Iterable[str], sources: Mapping[str, Splits]) -> list[str]:
    """The named types, each of which a source must have."""
    there = _types_in({"train": splits["train"]} for splits in sources.values())
    for kind in types:
        if kind not in there:
            raise InputError(
                f"data.types: {kind!r} is no entity type of the source domains' train splits; "
                f"{suggestion(kind, there)}"
            )
    return sorted(set(types))


def _types_in(parts: Iterable[Splits]) -> set[str]:
    return {tag[2:] for sentence in _sentences(parts) for tag in sentence.tags if tag != "O"}


def _sentences(parts: Iterable[Splits]) -> Iterable[Sentence]:
    return chain.from_iterable(chain(*splits.values()) for splits in parts)


def _read(root: Path, data: OntonotesData) -> dict[str, Splits]:
    """The sentences of every named domain by split, whichever layout the folder has."""
    if not root.is_dir():
        raise InputError(f"data.root={data.root} is no folder; name one that holds {LAYOUTS}")
    named = (*data.source_domains, *data.target_domains)
    folders = {name: f for name, f in domain_folders(root).items() if split_files(f)}
    if folders:
        check_domains(data.source_domains, data.target_domains, folders, f"the folder {root}")
        say_unused(named, dict.fromkeys(folders), f"the folder {root}")
        files = {domain: split_files(folders[domain]) for domain in named}
        for domain in named:
            say_unread(folders[domain], files[domain])
        return {
            domain: {split: _read_file(file) for split, file in files[domain].items()}
            for domain in named
        }
    genres = _read_2012(root)
    check_domains(data.source_domains, data.target_domains, genres, f"the files in {root}")
    rows = {genre: sum(map(len, splits.values())) for genre, splits in genres.items()}
    say_unused(named, rows, f"the files in {root}")
    return {domain: genres[domain] for domain in named}


def _read_file(file: Path) -> list[Sentence]:
    if file.suffix in (".json", ".jsonl"):
        return [_from_json(record) for record in read_records(file, ("text", "label"))]
    return read_conll(file)


def _from_json(record: Record) -> Sentence:
    text: Any = record.values.get("text")
    tags: Any = record.values.get("label")
    words = text.split() if isinstance(text, str) else text
    if not _is_text_list(words) or not _is_text_list(tags) or len(words) != len(tags):
        raise InputError(
            f'{record.place}: not a sentence with a tag for each word; write {{"text": "Ann left", '
            '"label": ["B-PERSON", "O"]}'
        )
    for word in (*words, *tags):
        record.check_letters("text or label", word)
    for tag in tags:
        if fault := fault_of_tag(tag):
            raise InputError(f"{record.place}: {tag!r} {fault}; write O or one as B-PER")
    return Sentence(record.file, [record.number] * len(words), words, tags)


def _is_text_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(x, str) and x for x in value)


def _read_2012(root: Path) -> dict[str, Splits]:
    genres: dict[str, Splits] = defaultdict(lambda: defaultdict(list))
    files = sorted(root.rglob("*_gold_conll"))
    languages = LANGUAGES_2012.intersection(*[chain(*(f.relative_to(root).parts for f in files))])
    if not files or len(languages) > 1:
        found = f"files in {' and '.join(sorted(languages))}" if files else "neither"
        raise InputError(
            f"data.root={root} must hold {LAYOUTS} of one language, and holds {found}; "
            "name the folder of one data set"
        )
    for file in files:
        split = _split_2012(file, root)
        for genre, sentences in read_conll2012(file).items():
            genres[genre][split].extend(sentences)
    return genres


def _split_2012(file: Path, root: Path) -> str:
    splits = [SPLITS_2012[part] for part in file.relative_to(root).parts if part in SPLITS_2012]
    if len(set(splits)) != 1:
        raise InputError(
            f"{file}: its folders below {root} do not say which split it is of; "
            "put it below one of train, development or test"
        )
    return splits[0]
