"""Every figure is drawn from its data without a warning, and shows other data otherwise."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from doge_ray.reporting.figures import activations, quadrants, stability, ticket_map
from doge_ray.reporting.figures.drawing import Plan, render
from doge_ray.reporting.figures.gallery import GALLERY, draw_all
from doge_ray.reporting.figures.style import (
    NotDrawnError,
    domain_colors,
    drawn_domains,
    method_style,
)
from doge_ray.reporting.records import SweepRecords
from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.levels import PAPER_LEVELS
from doge_ray.tickets.ticket import dense_ticket
from tests.reporting.full import CONFIG, FULL, PARAMETERS, moments
from tests.reporting.sweep import SWEEP

PLANS = pytest.mark.parametrize("plan", GALLERY, ids=lambda plan: plan.name)


def otherwise(records: SweepRecords) -> SweepRecords:
    """The same sweep with other scores, metrics, masks, histories and activations."""
    rows = []
    for row in records.rows:
        if row.target_metric is not None:
            row = replace(row, target_metric=row.target_metric**2, dev_metric=row.dev_metric**2)
        history = [dict(r, dev_metric=r["dev_metric"] ** 2) for r in row.history]
        ticket = row.drawn
        if ticket is not None and ticket.kind != "dense":
            turn = row.replicate  # seeds become less alike
            ticket = replace(
                ticket,
                head_mask=np.roll(ticket.head_mask, 3 + turn),
                ffn_mask=np.roll(ticket.ffn_mask, 1 + turn),
            )
        rows.append(replace(row, history=history, drawn=ticket))
    active = replace(records.active, active_DLF=40 - records.active.active_DLF)
    scores = {replicate: moments(10 + replicate) for replicate in records.moments}
    return replace(records, rows=rows, active=active, moments=scores)


@PLANS
def test_drawn_without_a_warning_and_the_same_each_time(plan: Plan):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, again = (render(plan.draw(FULL)) for _ in range(2))
    assert first["svg"].startswith(b"<?xml")
    assert first == again


@PLANS
def test_other_data_are_another_picture(plan: Plan):
    files, others = render(plan.draw(FULL)), render(plan.draw(otherwise(FULL)))
    assert all(files[form] != others[form] for form in files)


@PLANS
def test_a_thousand_domains_are_drawn_as_well(plan: Plan):
    names = tuple(f"domain {d}" for d in range(1000))
    counts, copies = np.full(1000, 40.0), np.arange(1000) % 3
    active = replace(
        FULL.active,
        domains=names,
        count_D=counts,
        active_DLF=FULL.active.active_DLF[copies],
    )
    one = FULL.moments[0]
    sums = {name: sums[copies] for name, sums in vars(one).items() if "sum" in name}
    many = replace(one, domains=names, count_D=counts, **sums)
    files = render(plan.draw(replace(FULL, active=active, moments={0: many})))
    assert len(files["svg"]) < 2e6


def test_the_domains_that_are_drawn_have_most_examples():
    counts = np.where(np.arange(1000) % 100 == 5, 20.0, 10.0)
    assert drawn_domains(counts).tolist() == [0, 1, *range(5, 1000, 100)]
    assert drawn_domains(counts[:12]).tolist() == [*range(12)]


@PLANS
def test_without_data_there_is_a_reason(plan: Plan):
    with pytest.raises(NotDrawnError, match=r"^[A-Z].*\.$"):
        plan.draw(replace(SWEEP, rows=[], predictions={}))


def test_a_single_weight_has_no_figure_3():
    one = [replace(r, variance_weight=10.0) if r.method == "doge" else r for r in FULL.rows]
    drawings = {drawing.name: drawing for drawing in draw_all(replace(FULL, rows=one))}
    assert "fewer than two values of λ" in drawings["variance_weight"].missing
    assert set(drawings["transition"].files) == {"svg", "png"}
    assert drawings["transition"].files["png"].startswith(b"\x89PNG")


def test_files_do_not_depend_on_the_users_style():
    import matplotlib

    plan = GALLERY[0]
    before = render(plan.draw(FULL))
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert render(plan.draw(FULL)) == before


def test_the_maps_number_of_masks_is_that_of_its_areas():
    title = ticket_map.draw(FULL).axes[0].get_title(loc="left")
    masks, cells = (int(word) for word in title.split() if word.isdigit())
    assert 1 < masks < cells


def test_chance_and_seeds_are_both_shown():
    labels = [t.get_text() for t in stability.draw(FULL).axes[0].texts]
    assert labels
    assert all("by chance" in label for label in labels)


def test_the_first_neurons_are_the_first():
    axes = activations.draw(FULL, neurons="first", layers=(2,)).axes[0]
    expected = FULL.active.shares()[:, 2, :35]
    np.testing.assert_array_equal(axes.collections[0].get_array(), expected)
    assert [label.get_text() for label in axes.get_xticklabels()][:3] == ["0", "1", "2"]


def test_domains_differ_in_lightness():
    for number in range(2, 9):
        grey = [float(np.dot(to_rgb(c), (0.3, 0.59, 0.11))) for c in domain_colors(number)]
        assert min(np.diff(grey)) > 0.06


def test_no_two_methods_look_alike():
    methods = ["dense", "random", "winning", "doge", "losing", "irm", "vrex", "coral", "doge+irm"]
    styles = [method_style(method, methods) for method in methods]
    assert len({style.marker for style in styles}) == len({s.color for s in styles}) == len(styles)


def test_at_the_papers_levels_both_tickets_are_of_one_size():
    """Heads and FFN blocks are not removed in one fraction there."""
    search = CONFIG.search.model_copy(update={"sparsity": "paper"})
    level, fractions = next(item for item in PAPER_LEVELS.items() if item[1].ffns >= 0.3)
    chosen = FULL.chosen("doge")
    ticket = draw_ticket(
        "doge", FULL.moments[0], fractions.heads, PARAMETERS, ffn_sparsity=fractions.ffns
    )
    records = replace(
        FULL,
        config=CONFIG.model_copy(update={"search": search}),
        rows=[replace(r, sparsity=level, drawn=ticket) if r is chosen else r for r in FULL.rows],
    )
    for axes in quadrants.draw(records).axes:
        counts = [re.findall(r"doge (\d+), winning (\d+)", text.get_text()) for text in axes.texts]
        doge, winning = np.sum([[int(n) for n in found[0]] for found in counts], axis=0)
        assert doge == winning > 0


def test_where_the_chosen_ticket_is_the_whole_network_the_best_other_one_is_shown():
    chosen = FULL.chosen("doge")
    whole = dense_ticket(6, 4, PARAMETERS)
    rows = [replace(row, drawn=whole) if row is chosen else row for row in FULL.rows]
    label = quadrants.draw(replace(FULL, rows=rows)).get_supxlabel()
    assert f"sparsity {chosen.sparsity:.2f}" in quadrants.draw(FULL).get_supxlabel()
    assert "sparsity 0.30" in label or "sparsity 0.55" in label
    only = [row for row in rows if row.method != "doge" or row.selected]
    with pytest.raises(NotDrawnError, match="removes anything"):
        quadrants.draw(replace(FULL, rows=only))
