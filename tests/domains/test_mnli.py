import itertools
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from doge_ray.config import MnliData
from doge_ray.domains import mnli
from doge_ray.domains.corpus import load_corpus
from doge_ray.domains.mnli import HUB_LABELS, LABELS, source_genres
from doge_ray.errors import InputError
from tests.domains.written import write

SOURCES = ("fiction", "government", "slate", "telephone", "travel")
TARGETS = ("facetoface", "letters", "nineeleven", "oup", "verbatim")


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """No hub, and a cache of the test's own."""
    import datasets

    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def data(**settings) -> MnliData:
    return MnliData(set="mnli", **settings)


def rows(genres, count: int, split: str) -> list[dict[str, object]]:
    """Every seventh row has no agreed label; the hub's other columns are there too."""
    return [
        {
            "promptID": number,
            "premise": f"{genre} {split} {number}",
            "hypothesis": f"so {number}",
            "genre": genre,
            "label": -1 if number % 7 == 6 else number % 3,
        }
        for number in range(count)
        for genre in genres
    ]


@pytest.fixture
def hub(tmp_path) -> Path:
    """The layout of the hub's repository; the genre slate has no validation rows."""
    folder = tmp_path / "multi_nli"
    matched = [genre for genre in SOURCES if genre != "slate"]
    splits = {
        "train": rows(SOURCES, 70, "train"),
        "validation_matched": rows(matched, 21, "matched"),
        "validation_mismatched": rows(TARGETS, 21, "mismatched"),
    }
    for split, content in splits.items():
        write(folder / "data" / f"{split}-00000-of-00001.parquet", content)
    return folder


def test_the_papers_genres_from_the_authors_release(mnli_root):
    corpus = load_corpus(data(root=mnli_root))
    assert corpus.label_names == ("contradiction", "entailment", "neutral")
    assert (corpus.source_domains, corpus.target_domains) == (SOURCES, TARGETS)
    # Table 1: 1,963 dev and 1,966 test rows per domain on average; train here is a tenth.
    assert round(sum(map(len, corpus.dev.values())) / 5) == 1963
    assert round(sum(map(len, corpus.test.values())) / 5) == 1966
    fiction = corpus.dev["fiction"]
    assert Counter(fiction.labels) == {0: 649, 1: 695, 2: 629}
    assert fiction.texts[0] == "You and your friends are not welcome here, said Severn."
    assert fiction.pairs[0] == "Severn said the people were not welcome there."
    assert fiction.labels[0] == LABELS.index("entailment")


def test_the_hubs_rows_by_genre(hub):
    corpus = load_corpus(data(hub=str(hub)))
    assert (corpus.source_domains, corpus.target_domains) == (SOURCES, TARGETS)
    travel = corpus.train["travel"]
    assert len(travel) == 60
    assert travel.texts[:7] == tuple(f"travel train {n}" for n in (0, 1, 2, 3, 4, 5, 7))
    assert travel.pairs[:3] == ("so 0", "so 1", "so 2")
    assert [LABELS[label] for label in travel.labels[:3]] == list(HUB_LABELS)
    assert len(corpus.dev["travel"]) == len(corpus.test["oup"]) == 18
    assert corpus.dev["travel"].texts[0] == "travel matched 0"
    assert corpus.test["oup"].texts[0] == "oup mismatched 0"


def test_a_genre_without_validation_rows_gives_a_tenth_of_its_training_rows(hub):
    corpus = load_corpus(data(hub=str(hub)))
    train, dev = corpus.train["slate"], corpus.dev["slate"]
    assert (len(train), len(dev)) == (54, 6)
    assert Counter(dev.labels) == {0: 2, 1: 2, 2: 2}
    assert not {*train.texts} & {*dev.texts}
    assert load_corpus(data(hub=str(hub))).fingerprint == corpus.fingerprint


def test_the_label_names_of_a_copy_count(hub):
    """A copy whose features name the classes in another order is read by the names."""
    names = ["neutral", "contradiction", "entailment"]
    for file in (hub / "data").iterdir():
        table = pq.read_table(file)
        features = (
            '{"info": {"features": {"premise": {"dtype": "string", "_type": "Value"}, '
            '"hypothesis": {"dtype": "string", "_type": "Value"}, '
            '"promptID": {"dtype": "int64", "_type": "Value"}, '
            '"genre": {"dtype": "string", "_type": "Value"}, '
            f'"label": {{"names": {names!r}, "_type": "ClassLabel"}}}}}}}}'
        ).replace("'", '"')
        pq.write_table(table.replace_schema_metadata({"huggingface": features}), file)
    corpus = load_corpus(data(hub=str(hub)))
    assert [LABELS[label] for label in corpus.train["travel"].labels[:3]] == names


def test_another_hub_data_set_is_refused(hub):
    for file in (hub / "data").iterdir():
        pq.write_table(pq.read_table(file).rename_columns({"genre": "kind"}), file)
    with pytest.raises(InputError, match=r"split 'train' has no genre; expected .*multi_nli"):
        load_corpus(data(hub=str(hub)))


@pytest.mark.parametrize("wrong", [3, "maybe"])
def test_a_label_that_mnli_does_not_have_is_refused(hub, wrong):
    (file,) = (hub / "data").glob("train*")
    content = [row | {"label": wrong} for row in pq.read_table(file).to_pylist()]
    write(file, content)
    with pytest.raises(InputError, match=rf"split 'train': label '{wrong}' is none of MNLI's"):
        load_corpus(data(hub=str(hub)))


def test_labels_may_be_names(hub):
    before = load_corpus(data(hub=str(hub)))
    for file in (hub / "data").iterdir():
        named = {-1: "-1", **dict(enumerate(HUB_LABELS))}
        content = [row | {"label": named[row["label"]]} for row in pq.read_table(file).to_pylist()]
        write(file, [row for row in content if row["label"] != "-1"])
    assert load_corpus(data(hub=str(hub))).fingerprint == before.fingerprint


def test_a_missing_split_is_named(hub):
    (file,) = (hub / "data").glob("validation_matched*")
    file.unlink()
    with pytest.raises(InputError, match=r"no split 'validation_matched', it has train, valid"):
        load_corpus(data(hub=str(hub)))


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty' could not be loaded .* data\.root=FOLDER"):
        load_corpus(data(hub=str(tmp_path / "empty")))


def test_an_unreachable_hub_says_what_to_do():
    with pytest.raises(InputError, match=r"nyu-mll/multi_nli' could not .* data\.root=FOLDER"):
        load_corpus(data())


@pytest.mark.parametrize(("size", "choices"), [(4, 5), (3, 10), (5, 1)])
def test_draws_go_through_all_choices(size, choices):
    drawn = [source_genres(data(num_sources=size, draw=draw)) for draw in range(2 * choices)]
    assert {*drawn[:choices]} == {*itertools.combinations(SOURCES, size)}
    assert drawn[choices:] == drawn[:choices]


def test_without_a_number_all_sources_are_used():
    assert source_genres(data(source_domains=("travel", "slate"), draw=3)) == ("travel", "slate")


def test_a_draw_is_what_is_loaded(hub):
    drawn = data(hub=str(hub), num_sources=3, draw=2)
    corpus = load_corpus(drawn)
    assert corpus.source_domains == source_genres(drawn)
    assert len(corpus.source_domains) == 3
    assert corpus.target_domains == TARGETS


def test_more_sources_than_there_are_is_refused():
    with pytest.raises(ValidationError, match=r"data\.num_sources=6 is more than the 5"):
        data(num_sources=6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source_domains": ("fictoin",)}, r"source_domains: 'fictoin' .* did you mean 'fiction'"),
        ({"target_domains": ("slate",)}, "'slate' is among data.source_domains too"),
    ],
)
def test_an_unknown_or_seen_genre_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        load_corpus(data(**settings))


def test_a_label_outside_the_three_is_placed(tmp_path):
    file = tmp_path / "fiction" / "train.json"
    write(file, [{"text_a": "a", "text_b": "b", "label": "-"}])
    with pytest.raises(InputError, match=r"train\.json, line 1: label='-' .* entailment, neutral"):
        load_corpus(data(root=str(tmp_path)))


def test_the_module_is_cheap_to_import():
    check = "import sys, doge_ray.domains.mnli; sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_table_without_rows_gives_no_text():
    table = pa.table({name: pa.array([], pa.string()) for name in mnli.HUB_COLUMNS})
    assert len(mnli._of_genre(table, "travel")) == 0
