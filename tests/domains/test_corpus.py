import json
from dataclasses import replace
from pathlib import Path

import pytest

from doge_ray.config import AmazonData, FilesData
from doge_ray.domains.checks import check_splits
from doge_ray.domains.corpus import load_corpus
from doge_ray.domains.labelled import Corpus, LabelledText, TaggedText
from doge_ray.errors import InputError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three labels, 20 : 10 : 10, in three domains."""
    file = tmp_path / "all.jsonl"
    rows = [
        {"text": f"{domain} {number}", "label": "aabc"[number % 4], "domain": domain}
        for domain in ("books", "tools", "games")
        for number in range(40)
    ]
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def data(path: Path, limit: int | None = None) -> FilesData:
    return FilesData(
        set="files",
        path=str(path),
        source_domains=("books", "tools"),
        target_domains=("games",),
        dev_fraction=0.2,
        limit=limit,
    )


def test_a_limit_keeps_a_stratified_subset_of_every_split(path):
    whole, part = load_corpus(data(path)), load_corpus(data(path, limit=4))
    for split, domains in part.splits.items():
        for domain, text in domains.items():
            assert len(text) == 4
            assert sorted(text.labels) == [0, 0, 1, 2]
            assert set(text.texts) <= set(whole.splits[split][domain].texts)
    assert part.fingerprint == load_corpus(data(path, limit=4)).fingerprint != whole.fingerprint


def test_a_limit_above_the_rows_changes_nothing(path):
    assert load_corpus(data(path, limit=1000)).fingerprint == load_corpus(data(path)).fingerprint


def test_a_limit_below_the_labels_is_refused(tmp_path):
    rows = [
        {"text": "x", "label": label, "domain": d} for d in "st" for label in "abcd" for _ in "12"
    ]
    file = tmp_path / "all.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    config = FilesData(
        set="files", path=str(file), source_domains=("s",), target_domains=("t",), limit=3
    )
    with pytest.raises(InputError, match=r"data\.limit=3 .* 4 labels; choose data\.limit=4"):
        load_corpus(config)


def test_the_fingerprint_sees_content_names_and_order(small_corpus):
    books, tools = small_corpus.train.values()
    variants = [
        small_corpus,
        replace(small_corpus, label_names=("good", "bad")),
        replace(small_corpus, train={"tools": tools, "books": books}),
        replace(small_corpus, train={"book": books, "tools": tools}),
        replace(small_corpus, train={"books": replace(books, labels=(0, 0, 1)), "tools": tools}),
        replace(small_corpus, train={"books": replace(books, pairs=books.texts), "tools": tools}),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    assert replace(small_corpus).fingerprint == small_corpus.fingerprint


def test_an_empty_split_is_refused(small_corpus):
    empty = replace(small_corpus, test={"games": LabelledText((), None, ())})
    with pytest.raises(InputError, match="test split of domain 'games' is empty; give it rows"):
        check_splits(empty)


@pytest.mark.parametrize("split", ["train", "dev"])
def test_a_label_missing_from_a_source_split_is_refused(small_corpus, split):
    part = {**small_corpus.splits[split], "tools": LabelledText(("x",), None, (1,))}
    lacking = replace(small_corpus, **{split: part})
    with pytest.raises(InputError, match=f"'bad' .* {split} split of source domain 'tools'; add"):
        check_splits(lacking)


def test_a_target_may_lack_a_label(small_corpus):
    assert set(small_corpus.test["games"].labels) == {1}
    check_splits(small_corpus)


def test_a_single_label_is_refused(small_corpus):
    one = {"books": LabelledText(("x",), None, (0,))}
    with pytest.raises(InputError, match=r"'bad' is the only one .* two labels or more"):
        check_splits(replace(small_corpus, label_names=("bad",), train=one, dev=one))


def test_amazon_at_a_small_limit(amazon_root):
    corpus = load_corpus(AmazonData(set="amazon", root=amazon_root, limit=3))
    assert {text.labels for split in corpus.splits.values() for text in split.values()} <= {
        (a, b, c) for a in range(3) for b in range(3) for c in range(3) if {a, b, c} == {0, 1, 2}
    }


def test_a_fold_is_the_corpus_without_one_source_domain(small_corpus):
    left_out = small_corpus.source_domains[0]
    fold = small_corpus.without(left_out)
    assert fold.source_domains == small_corpus.source_domains[1:] == tuple(fold.dev)
    assert fold.target_domains == (left_out,)
    rows = fold.test[left_out]
    assert rows.texts == small_corpus.train[left_out].texts + small_corpus.dev[left_out].texts
    assert len(rows.labels) == len(rows)
    assert fold.fingerprint != small_corpus.fingerprint


def test_a_tagged_domain_without_entities_is_refused_in_every_split():
    some, none = TaggedText((("a", "b"),), ((1, 0),)), TaggedText((("a", "b"),), ((0, 0),))
    names = ("O", "B-PER", "I-PER")
    check_splits(Corpus(names, {"s": some}, {"s": some}, {"t": some}))
    with pytest.raises(InputError, match=r"test split of domain 't' holds no entity .* PER"):
        check_splits(Corpus(names, {"s": some}, {"s": some}, {"t": none}))
