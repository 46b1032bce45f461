"""Rows that no setting names are told of: a misspelt domain would vanish without a word."""

from __future__ import annotations

import unicodedata

import pytest

from doge_ray.domains.corpus import load_corpus
from doge_ray.errors import InputError
from tests.domains.written import DOMAINS, data, rows, write


def test_rows_of_a_misspelt_domain(tmp_path, capsys):
    more = rows("Books", count=6) + rows("zebra", count=3)
    corpus = load_corpus(data(write(tmp_path / "all.csv", rows(*DOMAINS) + more)))
    assert len(corpus.train["books"]) + len(corpus.dev["books"]) == 20
    said = capsys.readouterr().err
    assert "2 domain(s) that no setting names are not used, 9 rows in all" in said
    assert "'Books' (6 rows); did you mean 'books'?, 'zebra' (3 rows)\n" in said


def test_a_folder_of_a_misspelt_domain(tmp_path, capsys):
    for domain in (*DOMAINS, "Tools"):
        write(tmp_path / domain / "train.jsonl", rows(domain))
    load_corpus(data(tmp_path))
    assert "1 domain(s) that no setting names are not used: 'Tools'" in capsys.readouterr().err


def test_where_all_are_named_nothing_is_said(tmp_path, capsys):
    load_corpus(data(write(tmp_path / "all.jsonl", rows(*DOMAINS))))
    assert capsys.readouterr().err == ""


def test_many_are_counted(tmp_path, capsys):
    more = rows(*(f"more{n:02}" for n in range(40)), count=1)
    load_corpus(data(write(tmp_path / "all.jsonl", rows(*DOMAINS) + more)))
    said = capsys.readouterr().err
    assert "40 domain(s)" in said
    assert "and 30 more" in said


@pytest.mark.parametrize(("config", "file"), [("NFC", "NFD"), ("NFD", "NFC"), ("NFD", "NFD")])
def test_a_name_is_the_same_in_all_unicode_forms(tmp_path, capsys, config, file):
    named = {"source_domains": (unicodedata.normalize(config, "café"), "tools")}
    there = unicodedata.normalize(file, "café")
    one = data(write(tmp_path / "all.jsonl", rows(there, *DOMAINS)), **named)
    assert len(load_corpus(one).train["café"]) == 18
    for domain in (there, "tools", "games"):
        write(tmp_path / "by" / domain / "train.jsonl", rows(domain))
    assert len(load_corpus(data(tmp_path / "by", **named)).train["café"]) == 18


def test_two_folders_of_one_name_are_refused(tmp_path):
    for domain in ("café", unicodedata.normalize("NFD", "café"), *DOMAINS):
        write(tmp_path / domain / "train.jsonl", rows(domain))
    with pytest.raises(InputError, match="two folders are named 'café'"):
        load_corpus(data(tmp_path))


def test_a_capital_suffix_and_another_delimiter(tmp_path, capsys):
    expected = load_corpus(data(write(tmp_path / "all.csv", rows(*DOMAINS)))).fingerprint
    text = (tmp_path / "all.csv").read_text().replace('"', "").replace(", so", "; so")
    for name, delimiter in (("semi.CSV", ";"), ("tab.csv", "\t"), ("bar.csv", "|")):
        lines = [line.rsplit(",", 2) for line in text.splitlines()]
        quoted = [delimiter.join((f'"{a}"', b, c)) for a, b, c in lines]
        (tmp_path / name).write_text("\n".join(quoted).replace("; so", ", so"))
        assert load_corpus(data(tmp_path / name)).fingerprint == expected
        assert f"{name}: its columns are parted by {delimiter!r}" in capsys.readouterr().err


def test_whole_numbers_as_pandas_writes_them(tmp_path):
    numbers = {"no": "0", "yes": "1"}
    plain = [row | {"label": int(numbers[str(row["label"])])} for row in rows(*DOMAINS)]
    expected = load_corpus(data(write(tmp_path / "int.jsonl", plain))).fingerprint
    floats = [row | {"label": float(str(row["label"]))} for row in plain]
    assert load_corpus(data(write(tmp_path / "f.jsonl", floats))).fingerprint == expected
    assert load_corpus(data(write(tmp_path / "f.parquet", floats))).fingerprint == expected
    mixed = plain[:20] + floats[20:]  # in CSV each is a text
    assert load_corpus(data(write(tmp_path / "f.csv", mixed))).fingerprint == expected


def test_a_dev_split_that_would_take_all_rows(tmp_path):
    content = rows(*DOMAINS, count=3)
    for number, row in enumerate(content):
        row["label"] = "abc"[number % 3]
    message = "'books' has no dev split, and one held out of its training rows takes all 3"
    with pytest.raises(InputError, match=message):
        load_corpus(data(write(tmp_path / "all.jsonl", content)))


@pytest.mark.parametrize("name", ["Test.jsonl", "TEST.jsonl", "testing.jsonl"])
def test_a_split_by_another_name(tmp_path, name):
    for domain in DOMAINS:
        write(tmp_path / domain / "train.jsonl", rows(domain))
    (tmp_path / DOMAINS[0] / "train.jsonl").rename(tmp_path / DOMAINS[0] / name)
    with pytest.raises(InputError, match=f"{name}: splits are named .*; rename it test.jsonl"):
        load_corpus(data(tmp_path))


@pytest.mark.parametrize("name", ["eval.jsonl", "test_1.jsonl", "test.jsonl.gz", "old.csv"])
def test_files_that_are_not_read(tmp_path, capsys, name):
    for domain in DOMAINS:
        write(tmp_path / domain / "train.jsonl", rows(domain))
    (tmp_path / DOMAINS[0] / name).write_text("")
    (tmp_path / DOMAINS[0] / "README.md").write_text("")
    load_corpus(data(tmp_path))
    assert f"{DOMAINS[0]}: {name} not read; what is read there" in capsys.readouterr().err


def test_an_empty_split(tmp_path):
    for domain in DOMAINS:
        write(tmp_path / domain / "train.jsonl", rows(domain))
    (tmp_path / DOMAINS[-1] / "test.jsonl").write_text("")
    with pytest.raises(InputError, match=r"test.jsonl holds no rows; give it some, or delete it"):
        load_corpus(data(tmp_path))


@pytest.mark.parametrize("other", ["Bad", "bad ", "bad\u200b"])
def test_labels_that_are_alike(tmp_path, capsys, other):
    table = rows(*DOMAINS)
    names = [row | {"label": "bad" if n % 2 else "good"} for n, row in enumerate(table)]
    load_corpus(data(write(tmp_path / "all.jsonl", names)))
    assert capsys.readouterr().err == ""
    for row in names[::3]:
        row["label"] = other if row["label"] == "bad" else row["label"]
    load_corpus(data(write(tmp_path / "all.jsonl", names)))
    said = capsys.readouterr().err
    assert "are learned as 2 classes; are they one?" in said


def test_a_blank_label(tmp_path):
    table = [row | {"label": " "} for row in rows(*DOMAINS)]
    with pytest.raises(InputError, match="label=' ' is no name"):
        load_corpus(data(write(tmp_path / "all.jsonl", table)))


def test_a_key_that_is_given_twice(tmp_path):
    file = write(tmp_path / "all.jsonl", rows(*DOMAINS))
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[0][:-1] + ', "label": 0}']))
    with pytest.raises(InputError, match="'label' is given twice; keep one"):
        load_corpus(data(file))


def test_a_message_of_a_hundred_thousand_names_is_short(tmp_path):
    table = [row | {"domain": f"{row['text']} {n} " * 20} for n, row in enumerate(rows(*DOMAINS))]
    with pytest.raises(InputError) as error:
        load_corpus(data(write(tmp_path / "all.jsonl", table)))
    assert len(str(error.value)) < 5000
