import io

import numpy as np
from matplotlib.collections import QuadMesh

from doge_ray.reporting.mask_picture import mask_picture
from doge_ray.tickets.ticket import Ticket, UnitParameters

TICKET = Ticket(
    "doge",
    np.array([[True, False, True, True], [False, False, True, False], [True, True, True, True]]),
    np.array([True, False, True]),
    0.34,
    UnitParameters(head=4, ffn=10, encoder=100),
)


def meshes(ticket: Ticket) -> list[QuadMesh]:
    heads, ffns = mask_picture(ticket).axes
    return [next(c for c in axes.collections if isinstance(c, QuadMesh)) for axes in (heads, ffns)]


def test_the_cells_are_the_masks():
    heads, ffns = meshes(TICKET)
    assert np.array_equal(heads.get_array(), TICKET.head_mask)
    assert np.array_equal(ffns.get_array(), TICKET.ffn_mask[:, None])


def test_layers_go_up_and_heads_to_the_right():
    heads, _ = meshes(TICKET)
    assert heads.get_coordinates()[0, 0].tolist() == [0, 0]
    assert heads.get_coordinates()[3, 4].tolist() == [4, 3]
    assert not heads.axes.yaxis_inverted()
    assert [label.get_text() for label in heads.axes.get_yticklabels()] == ["0", "1", "2"]


def test_removed_cells_are_lighter_also_where_all_or_none_are_removed():
    """Colours mean the same in every picture."""
    none = Ticket("dense", np.ones((3, 4), bool), np.ones(3, bool), 0.0, TICKET.parameters)
    colors = {True: set(), False: set()}
    for mesh in (*meshes(TICKET), *meshes(none)):
        kept = mesh.get_array().ravel()
        for cell, color in zip(kept, mesh.to_rgba(kept), strict=True):
            colors[bool(cell)].add(tuple(color))
    (dark,), (light,) = colors[True], colors[False]
    assert np.mean(light[:3]) > np.mean(dark[:3]) + 0.3


def test_the_title_says_what_it_shows():
    title = mask_picture(TICKET).get_suptitle()
    assert title.startswith("doge ticket, sparsity 0.34: 26% of the encoder removed")


def test_it_can_be_saved():
    file = io.BytesIO()
    mask_picture(TICKET).savefig(file, format="png")
    assert file.getvalue().startswith(b"\x89PNG")
