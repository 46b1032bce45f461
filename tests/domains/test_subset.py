from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.domains.subset import stratified

labels = st.lists(st.sampled_from("abcd"), min_size=1, max_size=200)


@given(labels, st.integers(1, 250))
def test_a_subset_is_in_order_and_keeps_every_label(values, count):
    rows = stratified(values, count, "limit", "books")
    assert len(rows) == min(count, len(values))
    assert (np.diff(rows) > 0).all()
    if count >= len(set(values)):
        assert {values[row] for row in rows} == set(values)


@given(labels, st.integers(1, 200))
def test_labels_keep_their_share(values, count):
    kept = Counter(values[row] for row in stratified(values, count, "x"))
    whole = Counter(values)
    count = min(count, len(values))
    for label, number in whole.items():
        assert abs(kept[label] - count * number / len(values)) < len(whole)


@given(labels, st.integers(1, 100), st.integers(0, 100))
def test_a_larger_subset_holds_the_smaller(values, count, more):
    small, large = stratified(values, count, "x"), stratified(values, count + more, "x")
    assert set(small) <= set(large)


def test_the_names_decide_the_draw():
    values = ["a", "b"] * 100
    draw = stratified(values, 20, "limit", "books", "train")
    assert draw.tolist() == stratified(values, 20, "limit", "books", "train").tolist()
    assert draw.tolist() != stratified(values, 20, "limit", "tools", "train").tolist()
