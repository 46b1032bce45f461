from pathlib import Path

import pytest

from doge_ray.domains.corpus import load_corpus
from tests.domains.written import DOMAINS, SUFFIXES, data, rows, write


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_file_with_a_domain_column(tmp_path, suffix):
    file = write(tmp_path / f"all{suffix}", rows(*DOMAINS, "unused"))
    corpus = load_corpus(data(file, dev_fraction=0.2))
    assert corpus.label_names == ("no", "yes")
    assert corpus.source_domains == ("books", "tools")
    for domain in corpus.source_domains:
        train, dev = corpus.train[domain], corpus.dev[domain]
        assert (len(train), len(dev)) == (16, 4)
        assert sorted(dev.labels) == [0, 0, 1, 1]
        assert sorted(train.texts + dev.texts) == sorted(r["text"] for r in rows(domain))
    assert corpus.test["games"].texts == tuple(row["text"] for row in rows("games"))
    assert corpus.test["games"].labels == (0, 1) * 10


def test_every_format_gives_the_same_corpus(tmp_path):
    files = [write(tmp_path / f"all{suffix}", rows(*DOMAINS)) for suffix in SUFFIXES]
    assert len({load_corpus(data(file)).fingerprint for file in files}) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("layout", ["folder of splits", "folder per domain"])
def test_folders(tmp_path, suffix, layout):
    for split, count in (("train", 20), ("dev", 6), ("test", 8)):
        if layout == "folder of splits":
            write(tmp_path / f"{split}{suffix}", rows(*DOMAINS, count=count, split=split))
        else:
            for domain in DOMAINS:
                file = tmp_path / domain / f"{split}{suffix}"
                write(file, rows(domain, count=count, split=split))
    (tmp_path / "README.md").write_text("not data")
    corpus = load_corpus(data(tmp_path))
    sizes = {
        (split, domain): len(text)
        for split, domains in corpus.splits.items()
        for domain, text in domains.items()
    }
    assert sizes == {
        ("train", "books"): 20,
        ("train", "tools"): 20,
        ("dev", "books"): 6,
        ("dev", "tools"): 6,
        ("test", "games"): 8,
    }


def test_a_target_without_test_rows_is_tested_on_all_its_rows(tmp_path):
    for split in ("train", "dev"):
        for domain in DOMAINS:
            write(tmp_path / domain / f"{split}.jsonl", rows(domain, split=split))
    assert len(load_corpus(data(tmp_path)).test["games"]) == 40


def test_dev_is_drawn_only_where_it_is_missing(tmp_path):
    write(tmp_path / "train.jsonl", rows(*DOMAINS))
    write(tmp_path / "dev.csv", rows("books", count=6, split="dev"))
    corpus = load_corpus(data(tmp_path))
    assert {domain: len(text) for domain, text in corpus.train.items()} == {
        "books": 20,
        "tools": 18,
    }
    assert {domain: len(text) for domain, text in corpus.dev.items()} == {"books": 6, "tools": 2}


def test_integer_labels_are_in_their_own_order(tmp_path):
    content = [{**row, "label": n % 12} for n, row in enumerate(rows(*DOMAINS, count=36))]
    corpus = load_corpus(data(write(tmp_path / "all.jsonl", content)))
    assert corpus.label_names == tuple(map(str, range(12)))
    assert set(corpus.dev["books"].labels) == set(range(12))


def test_columns_have_any_names_and_texts_any_commas(tmp_path):
    content = [
        {
            "premise": f'a "{r["text"]}"\nb',
            "hypothesis": "c, d",
            "gold": r["label"],
            "genre": r["domain"],
        }
        for r in rows(*DOMAINS)
    ]
    names = {"text": "premise", "text_pair": "hypothesis", "label": "gold", "domain": "genre"}
    corpora = [
        load_corpus(data(write(tmp_path / f"all{suffix}", content), **names)) for suffix in SUFFIXES
    ]
    assert len({corpus.fingerprint for corpus in corpora}) == 1
    assert corpora[0].test["games"].pairs == ("c, d",) * 20


def test_the_papers_mnli_release(mnli_root):
    sources = ("fiction", "government", "slate", "telephone", "travel")
    targets = ("facetoface", "letters", "nineeleven", "oup", "verbatim")
    columns = {"text": "text_a", "text_pair": "text_b"}
    corpus = load_corpus(
        data(Path(mnli_root), source_domains=sources, target_domains=targets, **columns)
    )
    assert corpus.label_names == ("contradiction", "entailment", "neutral")
    assert sum(map(len, corpus.dev.values())) == 9815
    assert sum(map(len, corpus.test.values())) == 9832
