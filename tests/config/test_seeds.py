from hypothesis import given, settings
from hypothesis import strategies as st

from doge_ray.seeds import derive_seed

NAME = st.text(st.characters(codec="utf-8", exclude_characters="\x1f"), max_size=5)


def test_seeds_are_stable():
    """Results on disk were made with them."""
    assert derive_seed(0, "head") == 1750201819
    assert derive_seed(0, "replicate", 1) == 3030891954
    assert derive_seed(7) == 2030201243


@settings(deadline=None)
@given(st.integers(0, 3), st.lists(NAME), st.integers(0, 3), st.lists(NAME))
def test_seeds_differ_where_seed_or_names_do(seed, names, other_seed, other_names):
    equal = (seed, names) == (other_seed, other_names)
    assert (derive_seed(seed, *names) == derive_seed(other_seed, *other_names)) == equal


def test_names_do_not_run_together():
    assert len({derive_seed(0, "a", "bc"), derive_seed(0, "ab", "c"), derive_seed(0, "abc")}) == 3


def test_seeds_fit_every_generator():
    assert all(0 <= derive_seed(0, "trial", n) < 2**32 for n in range(1000))
