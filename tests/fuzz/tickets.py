"""A ticket's JSON document."""

from __future__ import annotations

import json
import math
from pathlib import Path

from hypothesis import strategies as st

from doge_ray.tickets.draw import draw_ticket
from doge_ray.tickets.ticket import Ticket
from tests.fuzz.box import answer
from tests.fuzz.spoilt import as_json, damaged, spoilt
from tests.tickets.material import PARAMETERS
from tests.tickets.test_score_table import some_moments

_GOOD = [
    draw_ticket("doge", some_moments(layers=2, heads=3), 0.5, PARAMETERS, variance_weight=10),
    draw_ticket("random", some_moments(layers=1, heads=1), 0.0, PARAMETERS),
]
_TREES = [json.loads(ticket.to_json()) for ticket in _GOOD]
_WORDS = (b"true", b"NaN", b"-Infinity", b"1e999", b"[", b"}", b'"', b"\xff", b"9" * 5000)
_WORDS += (b"[" * 30_000, b'{"a":' * 30_000, b"null", b"\\ud800", b"-")

cases = st.one_of(
    spoilt(st.sampled_from(_TREES)).map(as_json),
    damaged(st.sampled_from([ticket.to_json().encode() for ticket in _GOOD]), _WORDS).map(
        lambda content: content.decode(errors="replace")
    ),
)


def check(box: Path, case: str) -> None:
    """What is accepted has fractions that are fractions, and is written and read back."""
    ticket = answer(lambda: Ticket.from_json(case, "best/ticket.json"), "best/ticket.json")
    if ticket is None:
        return
    for fraction in (ticket.sparsity, ticket.unit_fraction, ticket.parameter_fraction):
        assert math.isfinite(fraction)
        assert 0 <= fraction <= 1
    again = Ticket.from_json(ticket.to_json())
    assert (again.digest, again.kind) == (ticket.digest, ticket.kind)
