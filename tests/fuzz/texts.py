"""Labelled text in every layout: JSON lines, CSV, Parquet, the authors' JSON, CoNLL, quickstart."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from doge_ray.config import (
    AmazonData,
    DataConfig,
    FilesData,
    MnliData,
    OntonotesData,
    QuickstartData,
)
from doge_ray.domains import amazon, mnli, quickstart
from doge_ray.domains.corpus import load_corpus
from tests.fuzz.box import answer
from tests.fuzz.spoilt import NAMES, NUMBERS, as_json, damaged, spoilt


class Layout(NamedTuple):
    """A data set's settings, and its files' names with what stands in each."""

    data: DataConfig
    files: dict[str, bytes]


class Case(NamedTuple):
    layout: str
    file: str
    content: bytes


_DOMAINS: dict[str, Any] = {"source_domains": ("a", "b"), "target_domains": ("c",)}
_ROWS = [
    {"text": f"{domain} word {n}, so", "label": ("no", "yes")[n % 2], "domain": domain, "more": n}
    for domain in "abc"
    for n in range(6)
]
_CONLL = b"-DOCSTART- -X- O\n\nAnn B-PER\nLee I-PER\nleft O\n\n# a comment\nRome B-LOC\n# O\n"
_WORD = "bc/cctv/00/x\t0\t{}\t{}\tNN\t-\t-\t-\t-\t-\t{}\t-\n"
_CONLL_2012 = (
    "#begin document (a/cctv/00/x); part 000\n"
    + "".join(
        _WORD.format(n, f"w{n}", mark) for n, mark in enumerate(["(PER*", "*)", "*", "(LOC)"])
    )
    + "\n#end document\n"
).encode()


def _json_lines(rows: list[dict[str, Any]]) -> bytes:
    return "\n".join(map(as_json, rows)).encode()


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(table: Any) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def _trees(names: Any, splits: Any, content: bytes, ending: str) -> dict[str, bytes]:
    return {f"{name}/{split}.{ending}": content for name in names for split in splits}


def _layouts() -> dict[str, Layout]:
    splits = ("train", "dev", "test")
    reviews = _json_lines([{"text": f"so {n}", "label": n % 3} for n in range(6)])
    pairs = _json_lines(
        [{"text_a": f"a {n}", "text_b": "b", "label": mnli.LABELS[n % 3]} for n in range(6)]
    )
    tagged = _json_lines([{"text": "Ann left", "label": ["B-PER", "O"]}] * 3)
    rated = "\n".join(f"{n}_1\t{n % 5 - 2}.0\tso &amp; so {n}" for n in range(30)).encode()
    files = {kind: FilesData(set="files", path=f"data.{kind}", **_DOMAINS) for kind in _FORMS}
    conll = OntonotesData(set="ontonotes", root=".", **_DOMAINS)
    genres = {"source_domains": ("fiction",), "target_domains": ("oup",)}
    gold = {
        f"{part}/x{n}_gold_conll": _CONLL_2012.replace(b"(a/", f"({name}/".encode())
        for n, name in enumerate("abc")
        for part in ("train", "development", "test")
    }
    return {
        **{
            kind: Layout(data, {f"data.{kind}": _FORMS[kind](_ROWS)})
            for kind, data in files.items()
        },
        "by folder": Layout(
            FilesData(set="files", path=".", **_DOMAINS),
            _trees("abc", splits, _json_lines(_ROWS), "jsonl"),
        ),
        "amazon": Layout(
            AmazonData(set="amazon", root="."), _trees(amazon.CATEGORIES, splits, reviews, "json")
        ),
        "mnli": Layout(
            MnliData(set="mnli", root=".", **genres),
            _trees(("fiction", "oup"), splits, pairs, "json"),
        ),
        "conll": Layout(conll, _trees("abc", splits, _CONLL, "conll")),
        "tagged json": Layout(conll, _trees("abc", splits, tagged, "json")),
        "conll 2012": Layout(conll, gold),
        "quickstart": Layout(
            QuickstartData(set="quickstart", root="."),
            dict.fromkeys(quickstart.FILES.values(), rated),
        ),
    }


_FORMS = {
    "jsonl": _json_lines,
    "csv": _csv,
    "parquet": lambda rows: _parquet(pa.Table.from_pylist(rows)),
}
LAYOUTS = _layouts()
_WORDS = (b"\xff", b"\x00", b"\n", b"\t", b" ", b'"', b"{", b"[" * 30_000, b"9" * 5000, b"NaN")
_WORDS += (
    b"\\ud800",
    b"\xef\xbb\xbf",
    b",",
    b"\r",
    b"B-",
    b"I-PER",
    b"S-X",
    b"(",
    b"*)",
    b"#begin",
)
_WORDS += (
    b"inf",
    b"1e999",
    b"\xc2\x85",
    b"true",
    b"null",
    "\u2028".encode(),
    b"\xed\xa0\x80",
    b"PAR1",
)
_COLUMNS: dict[Any, list[Any]] = {
    pa.string(): [*(n for n in NAMES if n.isprintable()), "a", "b", "c", "yes", None],
    pa.int64(): [n for n in NUMBERS if isinstance(n, int) and abs(n) < 2**63],
    pa.float64(): [n for n in NUMBERS if isinstance(n, float)],
    pa.binary(): [b"a", b"\xff", None],
    pa.timestamp("ns"): [0, 1, -(2**63) + 1, 2**63 - 1],
    pa.timestamp("s"): [0, 2**40, -(2**40)],
    pa.duration("ns"): [0, 1],
    pa.date64(): [0, 86_400_000 * 10**9],
    pa.decimal128(38, 2): [None],
    pa.list_(pa.string()): [["a"], None],
    pa.dictionary(pa.int8(), pa.string()): ["a", "yes", None],
    pa.struct([("a", pa.int64())]): [{"a": 1}, None],
    pa.map_(pa.string(), pa.int64()): [[("a", 1)], None],
    pa.bool_(): [True, False],
    pa.null(): [None],
}


@st.composite
def _odd_parquet(draw: st.DrawFn) -> bytes:
    table = pa.Table.from_pylist(_ROWS)
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(list(_COLUMNS)))
        name = draw(st.sampled_from(["text", "label", "domain", ""]))
        values = [draw(st.sampled_from(_COLUMNS[kind])) for _ in range(len(table))]
        what = draw(st.sampled_from(("replace", "append", "drop")))
        place = table.column_names.index(name) if name in table.column_names else -1
        if what == "append" or place < 0:
            table = table.append_column(name, pa.array(values, kind))
        elif what == "replace":
            table = table.set_column(place, name, pa.array(values, kind))
        else:
            table = table.remove_column(place)
    return _parquet(table)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    name = draw(st.sampled_from(list(LAYOUTS)))
    layout = LAYOUTS[name]
    file = draw(st.sampled_from(sorted(layout.files)))
    content = layout.files[file]
    ways = [damaged(st.just(content), _WORDS)]
    if file.endswith(("json", "jsonl")):
        rows = [json.loads(line) for line in content.splitlines()]
        ways.append(spoilt(st.just(rows)).map(_lines))
    if file.endswith("parquet"):
        ways.append(_odd_parquet())
    return Case(name, file, draw(st.one_of(ways)))


def _lines(rows: Any) -> bytes:
    return "\n".join(map(as_json, rows if isinstance(rows, list) else [rows])).encode()


def check(box: Path, case: Case) -> None:
    """What is accepted is a corpus of texts that have their bytes and their labels."""
    layout = LAYOUTS[case.layout]
    for name, content in {**layout.files, case.file: case.content}.items():
        (box / name).parent.mkdir(parents=True, exist_ok=True)
        (box / name).write_bytes(content)
    corpus = answer(lambda: load_corpus(layout.data), case.file, "data.", "split of", "label ")
    if corpus is None:
        return
    assert len(corpus.fingerprint) == 64
    for name in corpus.label_names:
        assert name.encode()
    for domains in corpus.splits.values():
        for text in domains.values():
            assert all(word.encode() for passage in text.passages for word in passage)
            labels = [
                label
                for row in text.columns[-1]
                for label in (row if isinstance(row, tuple) else [row])
            ]
            assert all(0 <= label < len(corpus.label_names) for label in labels)
