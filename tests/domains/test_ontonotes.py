"""The three layouts of tagged data, and what is wrong with broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doge_ray.config import OntonotesData
from doge_ray.domains.audit import duplicate_flags
from doge_ray.domains.conll import read_conll, read_conll2012
from doge_ray.domains.corpus import load_corpus
from doge_ray.domains.labelled import TaggedText
from doge_ray.errors import InputError

ANN = [("Ann", "B-PER"), ("Lee", "I-PER"), ("left", "O"), ("Rome", "B-LOC")]
BOB = [("Bob", "B-PER"), ("#", "O"), ("stays", "O")]


def conll(*sentences: list[tuple[str, str]], tab: str = "\t") -> str:
    return "\n".join("".join(f"{w}{tab}{t}\n" for w, t in sentence) for sentence in sentences)


def json_lines(*sentences: list[tuple[str, str]]) -> str:
    rows = [
        {"text": " " + " ".join(w for w, _ in s), "label": [t for _, t in s]} for s in sentences
    ]
    return "\n".join(map(json.dumps, rows)) + "\n"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def data(root: Path, **settings: object) -> OntonotesData:
    domains = {"source_domains": ("bc", "nw"), "target_domains": ("tc",)}
    return OntonotesData(set="ontonotes", root=str(root), **{**domains, **settings})


def folders(root: Path, suffix: str = ".txt", target: str = "test") -> Path:
    text = conll(ANN, BOB) if suffix != ".json" else json_lines(ANN, BOB)
    names = [f"{d}/{split}" for d in ("bc", "nw") for split in ("train", "dev")]
    return write(root, {f"{name}{suffix}": text for name in [*names, f"tc/{target}"]})


@pytest.mark.parametrize("suffix", [".txt", ".conll", ".json"])
def test_a_folder_per_domain(tmp_path: Path, suffix: str) -> None:
    corpus = load_corpus(data(folders(tmp_path, suffix)))
    assert corpus.task == "tagging"
    assert corpus.label_names == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    both = TaggedText(
        (("Ann", "Lee", "left", "Rome"), ("Bob", "#", "stays")), ((3, 4, 0, 1), (3, 0, 0))
    )
    assert corpus.train == {"bc": both, "nw": both}
    assert corpus.test == {"tc": both}


def test_all_layouts_hold_the_same(tmp_path: Path) -> None:
    roots = [folders(tmp_path / s, f".{s}") for s in ("txt", "json")]
    roots.append(released(tmp_path / "2012"))
    assert len({load_corpus(data(root)).fingerprint for root in roots}) == 1


def test_a_target_without_a_test_split_is_tested_on_every_sentence(tmp_path: Path) -> None:
    corpus = load_corpus(data(folders(tmp_path, target="train")))
    assert len(corpus.test["tc"]) == 2


def test_comments_documents_and_columns(tmp_path: Path) -> None:
    file = tmp_path / "some.txt"
    file.write_bytes(
        b"\xef\xbb\xbf-DOCSTART- -X- O\r\n\r\n# text = Ann left\r\nAnn NNP B-PER\r\n"
        b"left VBD O\r\n\r\n\r\n# O\n# NN O\n\xc2\x85 NN O"
    )
    one, two = read_conll(file)
    assert (one.words, one.tags, one.lines) == (["Ann", "left"], ["B-PER", "O"], [4, 5])
    assert (two.words, two.lines) == (["#", "\x85"], [9, 10])


def released(root: Path, entity: str = "(PER*", language: str = "") -> Path:
    """CoNLL-2012 files; documents of a genre in the folder of each split."""

    def line(genre: str, n: int, word: str, bracket: str) -> str:
        columns = [f"{genre}/x/00/x_0001", "0", str(n), word, *"-" * 6, bracket, "*", "-"]
        return "   ".join(columns)

    def document(genre: str) -> str:
        first = [("Ann", entity), ("Lee", "*)"), ("left", "*"), ("Rome", "(LOC)")]
        second = [("Bob", "(PER*)"), ("#", "*"), ("stays", "*")]
        parts = [
            "\n".join(line(genre, n, *pair) for n, pair in enumerate(part)) + "\n"
            for part in (first, second)
        ]
        begin = f"#begin document ({genre}/x/00/x_0001); part 000\n"
        return begin + "\n".join(parts) + "\n#end document\n"

    places = [("train", g) for g in ("bc", "nw")] + [("development", g) for g in ("bc", "nw")]
    return write(
        root,
        {
            f"v4/data/{split}/{language}{g}/x/00/x_0001.v4_gold_conll": document(g)
            for split, g in [*places, ("test", "tc")]
        },
    )


def test_brackets_become_tags_and_documents_name_their_genre(tmp_path: Path) -> None:
    file = next(released(tmp_path).rglob("*train*/bc/**/*_gold_conll"))
    genres = read_conll2012(file)
    assert set(genres) == {"bc"}
    assert genres["bc"][0].tags == ["B-PER", "I-PER", "O", "B-LOC"]
    assert genres["bc"][1].lines == [7, 8, 9]


@pytest.mark.parametrize("entity", ["*", "PER*", "(PER*)"])
def test_brackets_that_do_not_match_are_refused(tmp_path: Path, entity: str) -> None:
    with pytest.raises(InputError, match=r"_gold_conll, line [23]: .*write \(TYPE\*"):
        load_corpus(data(released(tmp_path, entity)))


def test_two_languages_are_refused(tmp_path: Path) -> None:
    released(tmp_path, language="english/")
    released(tmp_path, language="chinese/")
    with pytest.raises(InputError, match=r"one language.*files in chinese and english"):
        load_corpus(data(tmp_path))


def test_types_are_those_that_all_have_and_others_become_o(tmp_path: Path) -> None:
    folders(tmp_path)
    write(
        tmp_path, {"tc/test.txt": conll(BOB, [("Oslo", "B-CITY"), ("met", "O"), ("Al", "B-PER")])}
    )
    corpus = load_corpus(data(tmp_path))
    assert corpus.label_names == ("O", "B-PER", "I-PER")
    assert corpus.test["tc"].tags == ((1, 0, 0), (0, 0, 1))
    assert corpus.train["bc"].tags[0] == (1, 2, 0, 0)
    named = load_corpus(data(tmp_path, types=("PER", "LOC")))
    assert named.label_names == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    with pytest.raises(InputError, match=r"data\.types: 'LOK' .*did you mean 'LOC'\? There are"):
        load_corpus(data(tmp_path, types=("PER", "LOK")))


def test_the_scheme_is_one_for_all_files(tmp_path: Path) -> None:
    folders(tmp_path)
    write(tmp_path, {"tc/test.txt": conll([("Ann", "I-PER"), ("met", "O"), ("Al", "I-LOC")])})
    # The sources say that this is IOB2, in which the target is broken.
    with pytest.raises(InputError, match=r"tc/test\.txt, line 1: 'Ann' is tagged I-PER"):
        load_corpus(data(tmp_path))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"bc/train.txt": "Ann B-PER\nleft\n"}, r"train\.txt, line 2: 'left' does not end with"),
        ({"bc/train.txt": "Ann B-PER\nleft V\n"}, r"line 2: 'left V' .*write a word and its tag"),
        ({"bc/train.txt": "\n\n"}, "holds no sentence"),
        ({"bc/train.txt": conll(ANN, [("x", "O"), ("y", "I-PER")])}, r"train\.txt, line 7: 'y'"),
        (
            {"bc/train.txt": conll([("x", "O")])},
            "train split of domain 'bc' holds no entity",
        ),
        ({"tc/test.txt": conll([("x", "B-CITY")])}, r"no entity type in common \(bc: LOC, PER"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, files: dict[str, str], message: str) -> None:
    root = write(folders(tmp_path), files)
    with pytest.raises(InputError, match=message) as caught:
        load_corpus(data(root))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a b", "label": ["O"]}', r"line 1: not a sentence with a tag for each word"),
        ('{"text": ["a b", "c"], "label": ["O", "PER"]}', "'PER' is no tag"),
        ('{"text": "", "label": []}', "not a sentence"),
        ('{"text": "a", "tags": ["O"]}', "not a sentence"),
    ],
)
def test_broken_json_is_refused(tmp_path: Path, line: str, message: str) -> None:
    root = write(folders(tmp_path, ".json"), {"nw/dev.json": line + "\n"})
    with pytest.raises(
        InputError, match=rf"dev\.json, line 1: .*{message.removeprefix('line 1: ')}"
    ):
        load_corpus(data(root))


def test_missing_folders_and_splits_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is no folder; name one that holds <domain>"):
        load_corpus(data(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"must hold <domain>.* holds neither"):
        load_corpus(data(tmp_path))
    folders(tmp_path)
    with pytest.raises(InputError, match=r"'tcc' is no domain of .*did you mean 'tc'"):
        load_corpus(data(tmp_path, target_domains=("tcc",)))
    (tmp_path / "bc" / "dev.txt").unlink()
    with pytest.raises(InputError, match="source domain 'bc' has no dev split; give it one"):
        load_corpus(data(tmp_path))


def test_duplicates_are_sentences(tmp_path: Path) -> None:
    folders(tmp_path)
    write(tmp_path, {"tc/test.txt": conll([("BOB", "B-PER"), ("#", "O"), ("stays", "O")], ANN[:3])})
    flags = duplicate_flags(load_corpus(data(tmp_path)))
    assert flags["test"]["tc"].tolist() == [True, False]


def test_a_limit_keeps_the_share_of_sentences_with_entities(tmp_path: Path) -> None:
    sentences = [[(f"w{n}", "O")] if n % 4 else [(f"w{n}", "B-PER")] for n in range(40)]
    names = [f"{d}/{split}.txt" for d in ("bc", "nw") for split in ("train", "dev")]
    write(tmp_path, {name: conll(*sentences) for name in [*names, "tc/test.txt"]})
    whole, part = load_corpus(data(tmp_path)), load_corpus(data(tmp_path, limit=8))
    for text in (*part.train.values(), *part.test.values()):
        assert len(text) == 8
        assert sum(map(any, text.tags)) == 2
    assert part.fingerprint != whole.fingerprint


def test_a_fold_tests_on_all_sentences_of_the_domain_left_out(tmp_path: Path) -> None:
    corpus = load_corpus(data(folders(tmp_path)))
    fold = corpus.without("bc")
    assert (fold.task, fold.source_domains, fold.label_names) == (
        "tagging",
        ("nw",),
        corpus.label_names,
    )
    assert fold.test["bc"] == corpus.train["bc"] + corpus.dev["bc"]
    assert len(fold.test["bc"]) == 4


def test_crossner(crossner_root: str) -> None:
    domains = {"source_domains": ("politics", "science"), "target_domains": ("ai", "literature")}
    corpus = load_corpus(data(Path(crossner_root), **domains))
    kinds = ("country", "location", "misc", "organisation", "person")
    assert corpus.label_names == ("O", *(f"{part}-{kind}" for kind in kinds for part in "BI"))
    assert [len(text) for text in corpus.test.values()] == [431, 416]


def of_all_domains(root: Path, sentences: str, **files: str) -> Path:
    names = [f"{domain}/{split}.txt" for domain in ("bc", "nw", "tc") for split in ("train", "dev")]
    return write(root, dict.fromkeys(names, sentences) | {f"{k}.txt": v for k, v in files.items()})


def test_a_type_that_is_misspelt_in_one_domain_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = of_all_domains(tmp_path, conll(ANN, BOB))
    corpus = load_corpus(data(root))
    assert capsys.readouterr().err == ""
    write(root, {"bc/train.txt": conll(ANN, BOB).replace("-PER", "-per")})
    assert load_corpus(data(root)).label_names == corpus.label_names
    assert "count as O: 'per' (3 in bc); did you mean 'PER'?" in capsys.readouterr().err


def test_old_line_ends(tmp_path: Path) -> None:
    root = of_all_domains(tmp_path, conll(ANN, BOB))
    expected = load_corpus(data(root))
    for file in root.rglob("*.txt"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r"))
    assert load_corpus(data(root)) == expected


def test_half_a_character_in_a_tagged_row(tmp_path: Path) -> None:
    for broken in ({"text": ["\ud83d", "b"]}, {"label": ["B-P\ud83d", "O"]}):
        row = {"text": ["a", "b"], "label": ["B-PER", "O"]} | broken
        names = [f"{d}/{split}.json" for d in ("bc", "nw", "tc") for split in ("train", "dev")]
        root = write(tmp_path, dict.fromkeys(names, json.dumps(row)))
        with pytest.raises(InputError, match=r"(train|dev).json, line 1: .*holds half a character"):
            load_corpus(data(root))
