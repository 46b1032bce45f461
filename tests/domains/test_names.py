"""Names of domains where there is little room for them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from doge_ray.domains.names import shortened

LONG = "x" * 200
NAMES = st.lists(st.text(alphabet="ab目 …()2", max_size=40), max_size=12)


@given(names=NAMES)
def test_they_fit_and_differ_as_they_did(names: list[str]) -> None:
    shown = shortened(names, 12)
    assert all(cell_len(name) <= 12 for name in shown)
    pairs = dict(zip(names, shown, strict=True))
    assert len(set(pairs.values())) == len(pairs)
    assert shown == [pairs[name] for name in names]


@given(names=NAMES)
def test_names_that_fit_stay_as_they_are(names: list[str]) -> None:
    shown = shortened(names, 12)
    assert all(new == old for old, new in zip(names, shown, strict=True) if cell_len(old) <= 12)


def test_head_and_tail_are_kept_before_numbers_are_given() -> None:
    assert shortened([f"first {LONG} one", f"first {LONG} two"], 15) == [
        "first x…xxx one",
        "first x…xxx two",
    ]
    assert shortened([f"a{LONG}", f"aa{LONG}"], 9) == ["axxx…xxxx", "aaxx…xxxx"]
    assert shortened([LONG, LONG + "x"], 11) == ["xxxxx…xxxxx", "xxx…xxx (2)"]
