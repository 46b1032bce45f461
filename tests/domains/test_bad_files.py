import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from doge_ray.config import FilesData
from doge_ray.domains.corpus import load_corpus
from doge_ray.errors import InputError
from tests.domains.written import DOMAINS, data, rows, write


def refused(config: FilesData, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_corpus(config)
    assert "\n" not in str(caught.value)


BAD_LINES = {
    "not JSON": ('{"text": "x"', r"not JSON \(Expecting .*write one object per line"),
    "not UTF-8": (b'{"text": "\xe9"}', r"not JSON \(.*utf-8.*write one object per line"),
    "a list": ("[1, 2]", "a list, not an object; write one object per line"),
    "no column": (
        '{"txt": "x", "label": "no", "domain": "books"}',
        r"no column 'text'; did you mean 'txt'\? There are: domain, label, txt",
    ),
    "null text": (
        '{"text": null, "label": "no", "domain": "books"}',
        "text=None is no text; write a string",
    ),
    "a number as text": (
        '{"text": 5, "label": "no", "domain": "books"}',
        "text=5 is no text; write a string",
    ),
    "blank text": (
        '{"text": " ", "label": "no", "domain": "books"}',
        "text is empty; give a text or remove the row",
    ),
    "null label": (
        '{"text": "x", "label": null, "domain": "books"}',
        "label=None is no name; write a string or an integer",
    ),
    "a fraction as label": (
        '{"text": "x", "label": 1.5, "domain": "books"}',
        "label=1.5 is no name; write a string or an integer",
    ),
    "nested without end": ("[" * 100_000, "not JSON .*write one object per line"),
    "half a character as label": (
        '{"text": "x", "label": "\\ud83d", "domain": "books"}',
        "label holds half a character",
    ),
    "an unknown target label": (
        '{"text": "x", "label": "maybe", "domain": "games"}',
        "label='maybe' is not among the labels to learn, no, yes; correct it or remove",
    ),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_json_line_is_placed(tmp_path, case):
    line, message = BAD_LINES[case]
    file = write(tmp_path / "all.jsonl", rows(*DOMAINS, count=2))
    with file.open("ab") as end:
        end.write(b"\n" + (line if isinstance(line, bytes) else line.encode()))
    refused(data(file), rf"all\.jsonl, line 8: {message}")


def test_a_missing_second_text_is_placed(tmp_path):
    file = write(tmp_path / "all.parquet", [{**row, "other": None} for row in rows(*DOMAINS)])
    refused(data(file, text_pair="other"), r"all\.parquet, row \d+: other=None is no text; write")
    refused(data(file, text_pair="pair"), r"all\.parquet: no column 'pair'; There are: domain, l")


GOOD = "text,label,domain\nx,no,books\nx,no,tools\nx,no,games"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"line 1: no column 'text'; There are: none"),
        ("txt,label,domain\nx,no,books", r"line 1: no column 'text'; did you mean 'txt'\? There"),
        (
            "text,label,domain\nwell, no,no,books",
            r"line 2: not the header's 3 fields; quote texts that",
        ),
        ("text,label,domain\nx,no", r"line 2: not the header's 3 fields; quote texts that"),
        ('text,label,domain\n"x,no,books', r"line 2: unexpected end of data; quote texts that"),
        ('"text', r"line 1: unexpected end of data; quote texts that"),
        (f"{GOOD}\n,no,books", r"line 5: text is empty; give a text or"),
        (f"{GOOD}\nx,,books", r"line 5: label='' is no name; write a string or"),
        (b"text,label,domain\nx\n\xe9,no,books", r"line 3: not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_bad_csv_is_placed(tmp_path, content, message):
    file = tmp_path / "all.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(data(file), rf"all\.csv, {message}")


def test_a_bad_parquet_file_is_named(tmp_path):
    file = tmp_path / "all.parquet"
    file.write_bytes(b"PAR1 no more")
    refused(data(file), r"all\.parquet: not a readable Parquet file \(.*\); write it anew")


def test_a_date_that_python_cannot_hold_is_refused(tmp_path):
    table = pa.table({"text": pa.array([2**40], pa.timestamp("s")), "label": ["a"]})
    pq.write_table(table.append_column("domain", pa.array(["books"])), tmp_path / "all.parquet")
    refused(data(tmp_path / "all.parquet"), r"all\.parquet: not a readable Parquet file \(")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_of_two_columns_of_a_name_none_is_taken_silently(tmp_path, suffix):
    file = tmp_path / f"all.{suffix}"
    table = pa.table([["x"], ["no"], ["books"], ["yes"]], ["text", "label", "domain", "label"])
    if suffix == "csv":
        file.write_text("text,label,domain,label\nx,no,books,yes\n")
    else:
        pq.write_table(table, file)
    refused(data(file), r"there are two columns 'label'; keep one")


def test_a_file_that_cannot_be_opened_is_named(tmp_path, monkeypatch):
    """As root may read every file, the denial is the system call's stand-in."""
    file = write(tmp_path / "all.jsonl", rows(*DOMAINS))

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(type(file), "open", denied)
    refused(data(file), r"cannot be read: .*Permission denied.*all\.jsonl'; mend its permissions")


def test_paths_are_checked(tmp_path):
    refused(data(tmp_path / "gone.csv"), r"data\.path=.*gone\.csv does not exist; name a file")
    file = tmp_path / "all.txt"
    file.write_text("x")
    refused(data(file), r"all\.txt: '\.txt' files are not read; write \.jsonl, \.json, \.csv, ")
    (tmp_path / "empty").mkdir()
    refused(data(tmp_path / "empty"), r"empty holds neither \{train,dev,test\}\.\* nor .*arrange")


def test_two_files_for_one_split_are_refused(tmp_path):
    write(tmp_path / "train.csv", rows(*DOMAINS))
    write(tmp_path / "train.jsonl", rows(*DOMAINS))
    refused(data(tmp_path), r"train\.csv and train\.jsonl are both its train split; keep one")


@pytest.mark.parametrize("layout", ["column", "folder"])
def test_an_unknown_domain_is_refused_with_the_nearest(tmp_path, layout):
    if layout == "column":
        path = write(tmp_path / "all.csv", rows(*DOMAINS))
    else:
        path = tmp_path
        for domain in DOMAINS:
            write(path / domain / "train.csv", rows(domain))
    refused(
        data(path, source_domains=("book",)),
        rf"source_domains: 'book' is no domain of (the )?{layout} .*did you mean 'books'\? There",
    )


def test_a_source_without_training_rows_is_refused(tmp_path):
    write(tmp_path / "train.csv", rows("books"))
    write(tmp_path / "test.csv", rows("tools", "games"))
    refused(data(tmp_path), r"source domain 'tools' has no training rows; give it a train split")


def test_a_label_with_one_row_is_refused(tmp_path):
    content = [*rows(*DOMAINS), {"text": "x", "label": "odd", "domain": "books"}]
    refused(data(write(tmp_path / "all.csv", content)), "'odd' does not occur in the train split")


@pytest.mark.parametrize("name", ["validation", "valid", "training"])
def test_another_name_of_a_split_is_refused_and_not_left_out(tmp_path, name):
    write(tmp_path / "train.csv", rows(*DOMAINS))
    file = write(tmp_path / f"{name}.csv", rows(*DOMAINS))
    refused(data(tmp_path), rf"{file}: splits are named .* rename it (dev|train)\.csv")


def test_half_a_character_is_placed(tmp_path):
    content = [*rows(*DOMAINS), {"text": "so \ud83d", "label": "no", "domain": "books"}]
    file = write(tmp_path / "all.jsonl", content)
    refused(data(file), rf"{file}, line 61: text holds half a character")


def test_a_long_text_is_read(tmp_path):
    long = {"text": "word " * 50_000, "label": "no", "domain": "games"}
    corpus = load_corpus(data(write(tmp_path / "all.csv", [*rows(*DOMAINS), long])))
    assert max(map(len, corpus.test["games"].texts)) == 250_000
