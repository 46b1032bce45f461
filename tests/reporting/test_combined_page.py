"""The page of several sweeps: what stands on it, and how alike tickets of two sweeps are."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np

from doge_ray.reporting.combined import PartRecords
from doge_ray.reporting.combined_page import combined_page
from doge_ray.reporting.overlaps import overlap_table
from doge_ray.reporting.records import SweepRecords
from tests.reporting.full import CONFIG, FULL, moments
from tests.reporting.test_page import Text, text

A = PartRecords("all-a", "A", {"dense": 69.8}, FULL)
PENDING = PartRecords("all-b", "B", {}, None)


def with_moments(records: SweepRecords, seed: int) -> SweepRecords:
    return replace(records, moments={0: moments(seed)})


def released(records: SweepRecords) -> SweepRecords:
    scoring = CONFIG.scoring.model_copy(update={"method": "authors_code"})
    return replace(records, config=CONFIG.model_copy(update={"scoring": scoring}))


def alike(one: SweepRecords, two: SweepRecords) -> dict[str, list[float]]:
    """For each kind of ticket: heads at 0.1, then heads and FFN blocks at 0.3 and 0.5."""
    table = overlap_table([replace(A, records=one), PartRecords("b", "B", {}, two)])
    return {str(row[1]): [float(str(cell)) for cell in row[2:] if cell] for row in table.rows}


def test_the_page_shows_every_sweep_and_leads_to_it():
    page, drawings = combined_page("all", [A, PENDING])
    shown = text(page)
    assert shown.startswith("all\n1 of 2 sweeps have results")
    assert "all-a: Intervals that exclude zero: doge is better than dense" in shown
    assert "| A | doge | 1 of 1 |" in shown
    assert [drawing.missing for drawing in drawings] == [""]
    parser = Text()
    parser.feed(page)
    outside = {asked for asked in parser.asked if asked[0] != "#" and asked[:5] != "data:"}
    assert outside == {"../all-a/report.html", "../all-b/report.html"}


def test_sweeps_of_which_the_same_may_be_said_are_named_together():
    shown = text(combined_page("all", [A, replace(A, name="all-c")])[0])
    assert shown.splitlines()[2].startswith("all-a, all-c: Intervals that exclude zero")


def test_many_pairs_are_shown_by_their_mean_and_extremes():
    many = [PartRecords(f"p{n}", "A", {}, with_moments(FULL, n)) for n in range(4)]
    rows = overlap_table(many).rows
    assert rows[0][:2] == ("all 6 pairs", "winning")
    by_pair = [
        float(str(overlap_table([one, other]).rows[0][2])) for one, other in combinations(many, 2)
    ]
    shown = f"{np.mean(by_pair):.2f} ({min(by_pair):.2f} to {max(by_pair):.2f})"
    assert rows[0][2] == shown


def test_before_any_result_there_is_a_page_too():
    page, drawings = combined_page("all", [PENDING])
    assert "0 of 1 sweeps have results" in text(page)
    assert "Not drawn: No method was repeated" in text(page)
    assert drawings[0].files == {}


def test_the_same_scores_draw_the_same_tickets_and_others_do_not():
    assert np.min([*alike(FULL, FULL).values()]) == 1
    assert np.mean([*alike(FULL, with_moments(FULL, 9)).values()]) < 0.5


def test_the_released_ranking_differs_in_ffn_blocks_of_doge_tickets_alone():
    """It ranks them by |score|, and at a large λ all their scores are below zero."""
    found = alike(FULL, released(FULL))
    assert found["winning"] == [1] * 5
    heads_low, *rest = found["doge, λ = 100"]
    assert [heads_low, *rest[::2]] == [1] * 3
    assert max(rest[1::2]) < 1


def test_what_cannot_be_compared_is_left_out():
    assert overlap_table([A, PENDING]) is None
    another = replace(FULL, config=CONFIG.model_copy(update={"model": "another/encoder"}))
    assert overlap_table([A, PartRecords("b", "B", {}, another)]) is None
    other = replace(FULL, moments={0: moments(1).__class__(**_narrower())})
    assert overlap_table([A, PartRecords("b", "B", {}, other)]) is None


def test_a_sparsity_that_min_heads_forbids_is_left_open():
    scoring = CONFIG.scoring.model_copy(update={"min_heads": 3})
    kept = replace(FULL, config=CONFIG.model_copy(update={"scoring": scoring}))
    rows = overlap_table([A, PartRecords("b", "B", {}, kept)]).rows
    assert {row[4:] for row in rows} == {("", "", "", "")}
    assert all(row[2] for row in rows)


def _narrower() -> dict[str, object]:
    """Moments of a network with two heads per layer."""
    whole = vars(moments(1))
    return {
        name: value[:, :, :2] if getattr(value, "ndim", 0) == 3 else value
        for name, value in whole.items()
    }
