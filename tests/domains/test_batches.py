import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from doge_ray.domains.batches import domain_batches, ordered_batches, share, training_batches

lengths = st.lists(st.integers(1, 512), max_size=600).map(lambda values: np.array(values, np.int32))
sizes = st.integers(1, 40)


def padded(batches: list[np.ndarray], lengths_N: np.ndarray) -> int:
    return sum(len(batch) * int(lengths_N[batch].max()) for batch in batches)


@given(lengths, sizes, st.integers(0, 9), st.integers(0, 9))
def test_every_row_is_trained_on_once_in_an_epoch(lengths_N, size, seed, epoch):
    batches = training_batches(lengths_N, size, seed, epoch)
    assert sorted(np.concatenate([[], *batches])) == list(range(len(lengths_N)))
    assert len(batches) == -(-len(lengths_N) // size)
    assert sum(len(batch) < size for batch in batches) <= 1


@given(
    st.lists(st.tuples(st.integers(1, 512), st.integers(0, 3)), min_size=1, max_size=600),
    sizes,
    st.integers(0, 9),
)
def test_batches_over_domains_hold_each_domain_in_proportion(rows, size, seed):
    lengths_N, domains_N = np.array(rows, np.int32).T
    batches = domain_batches(lengths_N, domains_N, size, seed, epoch=1)
    assert sorted(np.concatenate(batches)) == list(range(len(rows)))
    assert len(batches) == -(-len(rows) // size)
    assert max(map(len, batches)) <= size
    for domain, count in zip(*np.unique(domains_N, return_counts=True), strict=True):
        held = [(domains_N[batch] == domain).sum() for batch in batches]
        assert max(held) - min(held) <= 1
        assert min(held) == count // len(batches)


def test_batches_over_domains_hold_rows_of_similar_length():
    lengths_N = np.random.default_rng(0).integers(4, 257, 4000)
    first, second = (
        domain_batches(lengths_N, np.arange(4000) % 4, 32, seed=0, epoch=epoch) for epoch in (0, 1)
    )
    assert padded(first, lengths_N) < 1.1 * lengths_N.sum()
    assert first[0].tolist() != second[0].tolist()


@given(lengths, sizes)
def test_every_row_is_evaluated_once_longest_first(lengths_N, size):
    batches = ordered_batches(lengths_N, size)
    rows = np.concatenate([[], *batches]).astype(int)
    assert sorted(rows) == list(range(len(lengths_N)))
    assert (np.diff(lengths_N[rows]) <= 0).all()


@given(st.integers(0, 70), st.integers(1, 9))
def test_shares_are_a_partition_of_nearly_equal_parts(size, world_size):
    batch = np.arange(size) * 3
    shares = [share(batch, rank, world_size) for rank in range(world_size)]
    assert sorted(np.concatenate(shares)) == batch.tolist()
    counts = [len(part) for part in shares]
    assert max(counts) - min(counts) <= 1


def test_epochs_and_seeds_differ_and_repeat():
    lengths_N = np.random.default_rng(0).integers(4, 200, 500)

    def order(seed: int, epoch: int) -> list[int]:
        return np.concatenate(training_batches(lengths_N, 16, seed, epoch)).tolist()

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4


def test_bucketing_removes_most_padding():
    lengths_N = np.random.default_rng(0).integers(4, 257, 4000)
    rows = np.random.default_rng(1).permutation(4000)
    unbucketed = [rows[start : start + 32] for start in range(0, 4000, 32)]
    waste = padded(unbucketed, lengths_N) - lengths_N.sum()
    assert padded(training_batches(lengths_N, 32, 0, 0), lengths_N) - lengths_N.sum() < waste / 10


def test_rows_meet_other_rows_in_the_next_epoch():
    lengths_N = np.full(640, 7)
    first, second = (
        {frozenset(batch.tolist()) for batch in training_batches(lengths_N, 32, 0, epoch)}
        for epoch in (0, 1)
    )
    assert not first & second
