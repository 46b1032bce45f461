"""The whole report's text against a golden file, and what makes it one self-contained page."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from doge_ray.reporting.differences import compared, difference, difference_text
from doge_ray.reporting.figures.drawing import Drawing
from doge_ray.reporting.figures.gallery import GALLERY, draw_all
from doge_ray.reporting.records import SweepRecords
from doge_ray.reporting.sweep_page import sweep_page
from doge_ray.reporting.verdict import verdict
from doge_ray.tickets.statistics import Interval
from tests.reporting.full import FULL
from tests.reporting.sweep import SWEEP

GOLDEN = Path(__file__).parent / "golden_report.txt"
DRAWN = [Drawing(plan.name, plan.title, plan.caption, {"svg": b"<svg/>"}) for plan in GALLERY]
VOID = ("meta", "img")


class Text(HTMLParser):
    """What a reader sees, one line per block, cells of a row apart by bars; well-formedness too."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.open: list[str] = []
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.asked += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2", "h3", "p", "tr", "figcaption", "footer"):
            self.lines.append("")
        if tag in ("td", "th"):
            self.lines[-1] += "| "

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.lines and not {"style", "title", "nav"} & set(self.open) and data.strip():
            self.lines[-1] += " ".join(data.split()) + " "


def text(page: str) -> str:
    parser = Text()
    parser.feed(page)
    assert parser.open == []
    return "\n".join(line.strip() for line in parser.lines) + "\n"


def cells(records: SweepRecords, section: str, row: str) -> list[str]:
    """Those of a row, in the section of that heading."""
    after = text(sweep_page(records, DRAWN)).split(f"\n{section}\n")[1]
    line = next(line for line in after.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.split("|")[1:]]


def test_the_golden_report():
    assert text(sweep_page(FULL, DRAWN)) == GOLDEN.read_text()


def test_the_page_asks_nothing_of_the_network():
    page = sweep_page(FULL, DRAWN)
    parser = Text()
    parser.feed(page)
    run = FULL.runs["dense", 0, 0].url
    assert {asked for asked in parser.asked if asked[0] != "#" and asked[:5] != "data:"} == {run}
    assert "<script" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_names_from_outside_are_text_and_not_markup():
    page = sweep_page(replace(FULL, name="<b>&amp;"), DRAWN)
    assert "<b>" not in page
    assert "shops &lt;&amp;&gt;" in page


def test_what_is_not_known_is_left_out():
    """A sweep that is known by its rows alone still has its tables."""
    shown = text(sweep_page(SWEEP, draw_all(replace(SWEEP, rows=[]))))
    assert "The comparison" in shown
    assert "\nData\n" not in shown
    assert "| run |" not in shown
    assert shown.count("Not drawn: ") == len(GALLERY)


def test_without_a_published_value_there_is_no_column_of_the_paper():
    config = FULL.config.model_copy(update={"paper": {}})
    assert cells(FULL, "Honest and oracle", "method")[-1] == "paper"
    assert "paper" not in cells(replace(FULL, config=config), "Honest and oracle", "method")


def test_the_papers_value_is_that_of_the_split():
    assert cells(FULL, "Honest and oracle", "dense")[-1] == "72.6"
    assert cells(FULL, "Honest and oracle", "doge")[-1] == "73.8"
    assert cells(FULL, "Honest and oracle", "winning")[-1] == ""


def test_honest_and_oracle_stand_apart():
    """Doge's trial 0 was chosen by dev and reached 65.0; trial 2 would have reached 70.0."""
    _, trainings, honest, oracle, gap, luck, *_ = cells(FULL, "Honest and oracle", "doge")
    assert (trainings, honest, oracle, gap) == ("2", "65.0", "70.0", "+5.0")
    # Two draws, 0.05 apart: standard deviation 0.0354, E[max of 2] 0.564.
    assert luck == "+2.0"


def test_a_training_counts_for_every_method_that_has_it():
    """Whichever method comes first and so runs it."""
    rows = [replace(row, trained=row.method != "doge") for row in FULL.rows]
    shared = replace(FULL, rows=rows)
    assert cells(shared, "Honest and oracle", "doge") == cells(FULL, "Honest and oracle", "doge")
    assert cells(shared, "The comparison", "doge") == cells(FULL, "The comparison", "doge")


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (("dense",), "nothing can be compared"),
        (("dense", "winning"), "One seed per method"),
        (("dense", "doge"), "doge is better than dense"),
    ],
)
def test_the_verdict_says_no_more_than_the_intervals(kept, said):
    rows = [row for row in FULL.rows if row.method in kept]
    assert said in text(sweep_page(replace(FULL, methods=kept, rows=rows), DRAWN))


def test_zero_is_not_excluded_by_rounding():
    records = replace(FULL)
    records.differences["doge", "dense", False] = Interval(0.02, 1e-17, 0.05)
    assert "doge is better" not in verdict(records)
    assert difference_text(difference(records, "doge", "dense")) == "+2.0 [+0.0, +5.0]"


def test_a_ticket_with_an_objective_is_compared_with_each_of_its_parts():
    methods = ("dense", "winning", "irm", "doge", "winning+irm", "doge+irm")
    beside = compared(replace(FULL, methods=methods))
    assert [other for method, other in beside if method == "doge+irm"] == [
        "dense",
        "winning+irm",
        "doge",
        "irm",
    ]
    assert ("doge", "winning") in beside


def test_choosing_on_the_test_set_is_said_first_of_all():
    config = FULL.config.model_copy(update={"selection": "oracle"})
    shown = text(sweep_page(replace(FULL, config=config), DRAWN))
    assert shown.splitlines()[1].startswith("Chosen on the test set, so biased upwards.")
    assert "this is choosing on the test set" in shown


def test_few_seeds_are_said_to_be_few():
    assert "provisional" in text(sweep_page(FULL, DRAWN))
