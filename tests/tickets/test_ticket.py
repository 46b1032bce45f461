import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from doge_ray.errors import InputError
from doge_ray.tickets.kinds import KINDS
from doge_ray.tickets.ticket import Ticket, UnitParameters, dense_ticket
from tests.tickets.material import PARAMETERS


@st.composite
def masks(draw):
    layers, heads = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    return draw(arrays(bool, (layers, heads))), draw(arrays(bool, layers))


def ticket(head_mask, ffn_mask, kind="doge", sparsity=0.25, **provenance) -> Ticket:
    return Ticket(kind, np.array(head_mask), np.array(ffn_mask), sparsity, PARAMETERS, provenance)


@given(masks(), st.sampled_from(list(KINDS)), st.floats(0, 0.99))
def test_json_round_trip(pair, kind, sparsity):
    written = ticket(*pair, kind, sparsity, variance_weight=10.0, source="abc")
    read = Ticket.from_json(written.to_json())
    assert np.array_equal(read.head_mask, written.head_mask)
    assert np.array_equal(read.ffn_mask, written.ffn_mask)
    assert (read.kind, read.sparsity, read.parameters, read.provenance) == (
        kind,
        sparsity,
        PARAMETERS,
        {"variance_weight": 10.0, "source": "abc"},
    )


@given(masks(), masks())
def test_the_digest_is_the_mask(one, other):
    equal = all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert (ticket(*one).digest == ticket(*other).digest) == equal


@given(masks(), st.sampled_from(list(KINDS)), st.floats(0, 0.99), st.integers())
def test_the_digest_ignores_where_the_mask_came_from(pair, kind, sparsity, seed):
    assert ticket(*pair, kind, sparsity, seed=seed).digest == ticket(*pair).digest


def test_the_digest_depends_on_the_shape():
    """The same 12 decisions in the same order: 3 layers of 3 heads, or 2 of 5."""
    assert ticket(np.ones((3, 3), bool), [True] * 3).digest != (
        ticket(np.ones((2, 5), bool), [True] * 2).digest
    )


def test_the_digest_is_stable():
    """Stores on disk are read by it."""
    assert ticket([[True, False], [True, True]], [False, True]).digest == "272e18e702f7"


def test_fractions():
    some = ticket([[True, False, False], [True, True, False]], [False, True])
    assert some.unit_fraction == pytest.approx(4 / 8)
    assert some.parameter_fraction == pytest.approx((3 * 4 + 1 * 10) / 1000)


def test_the_dense_ticket_removes_nothing():
    dense = dense_ticket(3, 4, UnitParameters(1, 2, 30))
    assert dense.head_mask.shape == (3, 4)
    assert (dense.unit_fraction, dense.parameter_fraction, dense.sparsity) == (0, 0, 0)


@pytest.mark.parametrize(
    ("heads", "ffns"),
    [((2, 3), (3,)), ((2,), (2,)), ((2, 3), (2, 1))],
    ids=["layers differ", "no list of lists", "FFN not flat"],
)
def test_masks_that_do_not_fit_are_refused(heads, ffns):
    with pytest.raises(InputError, match="do not fit together"):
        ticket(np.ones(heads, bool), np.ones(ffns, bool))


def changed(**fields) -> str:
    good = json.loads(ticket([[True, False]], [True]).to_json())
    return json.dumps(good | fields)


GOOD = changed()
DAMAGED = {
    "not JSON": GOOD[:-20],
    "a list": "[1, 2]",
    "no masks": json.dumps({"kind": "doge", "sparsity": 0.1}),
    "numbers as mask": changed(head_mask=[[1, 0]]),
    "ragged mask": changed(head_mask=[[True], [True, False]]),
    "masks of different layers": changed(ffn_mask=[True, False]),
    "unknown kind": changed(kind="lucky"),
    "sparsity in words": changed(sparsity="half"),
    "sizes missing": changed(parameters={"head": 4}),
    "nested without end": "[" * 100_000,
    "sparsity without end": changed(sparsity=10**400),
    "sparsity no number": changed(sparsity=float("nan")),
    "sparsity below nothing": changed(sparsity=-0.1),
    "sparsity all": changed(sparsity=1.0),
    "sizes without end": changed(parameters={"head": 4, "ffn": 10, "encoder": float("inf")}),
    "an encoder of nothing": changed(parameters={"head": 4, "ffn": 10, "encoder": 0}),
    "more units than encoder": changed(parameters={"head": 4, "ffn": 10**9, "encoder": 1000}),
    "origin in a word": changed(provenance="doge"),
    "sizes no mapping": changed(parameters=[4, 10, 1000]),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_is_named(case):
    with pytest.raises(InputError, match=r"^best/ticket\.json: "):
        Ticket.from_json(DAMAGED[case], "best/ticket.json")


def test_the_maths_loads_neither_torch_nor_ray():
    heavy = "{'torch', 'ray', 'transformers', 'optuna', 'mlflow'}"
    code = f"import doge_ray.tickets, sys; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
