import hashlib
from pathlib import Path

import pytest

from doge_ray.config import AmazonData
from doge_ray.domains import amazon
from doge_ray.domains.audit import duplicate_flags
from doge_ray.domains.corpus import load_corpus
from doge_ray.errors import InputError


@pytest.mark.parametrize(
    ("split", "targets", "duplicated"),
    [
        ("A", ("Industrial_and_Scientific", "Movies_and_TV", "Software"), 605),
        ("B", ("Automotive", "Digital_Music", "Gift_Cards"), 591),
        ("C", ("All_Beauty", "Automotive", "Industrial_and_Scientific"), 570),
    ],
)
def test_the_papers_splits(amazon_root, split, targets, duplicated):
    corpus = load_corpus(AmazonData(set="amazon", split=split, root=amazon_root))
    assert corpus.label_names == ("negative", "neutral", "positive")
    assert corpus.source_domains == amazon.SOURCES[split]
    assert corpus.target_domains == targets
    for part, size in (("train", 5400), ("dev", 600), ("test", 6000)):
        for text in corpus.splits[part].values():
            assert [text.labels.count(label) for label in range(3)] == [size // 3] * 3
    assert sum(flags.sum() for flags in duplicate_flags(corpus)["test"].values()) == duplicated
    assert 0.031 < duplicated / 18_000 < 0.034


def test_the_checksums_are_those_of_the_release(amazon_root):
    checksums = amazon._checksums()
    assert len(checksums) == 21
    for name, sha256 in checksums.items():
        assert hashlib.sha256((Path(amazon_root) / name).read_bytes()).hexdigest() == sha256


def test_without_a_root_the_files_are_fetched_once(amazon_root, monkeypatch, tmp_path):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path))
    monkeypatch.setattr(amazon, "URL", Path(amazon_root).as_uri())
    local = load_corpus(AmazonData(set="amazon", root=amazon_root))
    assert load_corpus(AmazonData(set="amazon")).fingerprint == local.fingerprint
    assert len(list(tmp_path.rglob("*.json"))) == 4 * 2 + 3
    monkeypatch.setattr(amazon, "URL", (tmp_path / "gone").as_uri())
    assert load_corpus(AmazonData(set="amazon")).fingerprint == local.fingerprint


def test_no_network_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(amazon, "URL", (tmp_path / "nowhere").as_uri())
    with pytest.raises(InputError, match=r"All_Beauty/train\.json could not be .* data\.root"):
        load_corpus(AmazonData(set="amazon"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"All_Beauty/train\.json: there is no such file; .*root"):
        load_corpus(AmazonData(set="amazon", root=str(tmp_path)))


def test_a_label_outside_the_three_is_placed(tmp_path):
    file = tmp_path / "All_Beauty" / "train.json"
    file.parent.mkdir()
    file.write_text('{"text": "fine", "label": 2}\n{"text": "bad", "label": 3}\n')
    with pytest.raises(InputError, match=r"train\.json, line 2: label='3' .* 0, 1, 2; correct it"):
        load_corpus(AmazonData(set="amazon", root=str(tmp_path)))
