import io
import json

import numpy as np
from rich.cells import cell_len
from rich.console import Console

from doge_ray.domains.audit import Audit, SplitAudit, audit_corpus, audit_overview, duplicate_flags
from doge_ray.domains.labelled import Corpus, LabelledText


def audit(corpus: Corpus) -> Audit:
    truncated = {
        split: {
            domain: np.array([len(t) > 90 for t in text.texts]) for domain, text in part.items()
        }
        for split, part in corpus.splits.items()
    }
    return audit_corpus(corpus, 16, truncated, duplicate_flags(corpus))


def test_duplicates_are_found_up_to_case_and_white_space(small_corpus):
    flags = duplicate_flags(small_corpus)
    assert not any(part.any() for part in flags["train"].values())
    assert flags["dev"]["books"].tolist() == [True, False]
    # It stands in another domain's train, which is no leak into this one's dev.
    assert flags["dev"]["tools"].tolist() == [False, False]
    # One of train, one of dev.
    assert flags["test"]["games"].tolist() == [True, True, False, False]


def test_a_pair_is_a_duplicate_only_as_a_pair():
    train = LabelledText(("a", "b"), ("x", "y"), (0, 1))
    test = LabelledText(("A", "a", "a x"), ("x", "y", "x"), (0, 0, 0))
    corpus = Corpus(("n", "y"), {"s": train}, {"s": train}, {"t": test})
    assert duplicate_flags(corpus)["test"]["t"].tolist() == [True, False, False]


def test_counts(small_corpus):
    parts = {(part.split, part.domain): part for part in audit(small_corpus).splits}
    assert list(parts) == [
        ("train", "books"),
        ("train", "tools"),
        ("dev", "books"),
        ("dev", "tools"),
        ("test", "games"),
    ]
    assert parts["train", "books"].label_counts == (1, 2)
    assert parts["train", "books"].truncated == 1
    assert parts["dev", "books"].duplicated == 1
    assert parts["test", "games"].rows == 4
    assert audit(small_corpus).duplicated_targets == (2, 4)


def test_an_audit_passes_through_json(small_corpus):
    before = audit(small_corpus)
    assert Audit.from_dict(json.loads(json.dumps(before.to_dict()))) == before


def test_the_table_says_it_all(small_corpus):
    screen = io.StringIO()
    Console(width=120, file=screen).print(audit_overview(audit(small_corpus)))
    text = screen.getvalue()
    assert "> 16 tokens" in text
    assert "2 of 4 target rows (50.0%)" in text
    games = next(line for line in text.splitlines() if "games" in line)
    cells = [cell.strip() for cell in games.strip("│").split("│")]
    assert cells == ["test", "games", "4", "bad 0%", "good 100%", "25.0%", "50.0%"]


def test_long_domains_can_be_told_apart_at_eighty_columns():
    domains = ["x" * 200, "x" * 201, "news[/uk]", "Industrial_and_Scientific"]
    splits = ["train", "dev", "test", "test"]
    parts = [SplitAudit(*where, (3, 1), 0, 0) for where in zip(splits, domains, strict=True)]
    console = Console(width=80, file=io.StringIO(), soft_wrap=True)
    console.print(audit_overview(Audit(("no", "yes"), 16, tuple(parts))))
    lines = console.file.getvalue().splitlines()
    assert max(map(cell_len, lines)) <= max(80, cell_len(lines[-1]))  # the caption is not wrapped
    assert "duplicated" in console.file.getvalue()
    names, rows = [], [line.split("│") for line in lines if line.startswith("│")]
    for row in rows:
        if row[1].strip():
            names.append("")
        names[-1] += row[2].strip()
    assert len(set(names)) == 4
    assert names[2:] == domains[2:]


def test_of_many_domains_some_have_a_line_and_the_others_one_together():
    parts = [
        SplitAudit(split, f"domain {d}", (2, 1), 0, 0)
        for split in ("train", "test")
        for d in range(1000)
    ]
    screen = io.StringIO()
    Console(width=120, file=screen).print(audit_overview(Audit(("no", "yes"), 16, tuple(parts))))
    lines = [line for line in screen.getvalue().splitlines() if line.startswith("│")]
    assert len(lines) == 2 * (20 + 1)
    assert sum("(980 more) │ 2,940" in line for line in lines) == 2
