from hypothesis import given
from hypothesis import strategies as st

from doge_ray.tickets.selection import Candidate, choose

RECORDS = st.lists(
    st.builds(Candidate, st.integers(0, 50), st.sampled_from([0.0, 0.5, 0.7, 0.71])),
    unique_by=lambda record: record.trial,
)


@given(RECORDS)
def test_the_choice_is_the_earliest_of_the_best(records):
    chosen = choose(records)
    if not records:
        assert chosen is None
        return
    best = max(record.metric for record in records)
    assert chosen == min(record.trial for record in records if record.metric == best)


@given(RECORDS, st.randoms(use_true_random=False))
def test_the_order_in_which_trials_ended_does_not_matter(records, random):
    assert choose(random.sample(records, len(records))) == choose(records)
